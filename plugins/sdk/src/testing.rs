//! What a plugin's own tests need: data to try it on, and the call that the host would make.
//!
//! Owns plausible examples, no more: `tidegate plugin test` runs the built component itself on the cases in `cases/`, and
//! only the host knows a real node's default asset.
//!
//! ```
//! # use tidegate_plugin::NoConfig;
//! # use tidegate_plugin::translator::{Asset, Node, Translator};
//! # struct Same;
//! # impl Translator for Same {
//! #     type Config = NoConfig;
//! #     const SUMMARY: &'static str = "";
//! #     fn translate(_: &NoConfig, node: &Node) -> Result<Asset, String> { Ok(node.default_asset()) }
//! # }
//! use tidegate_plugin::testing;
//!
//! let node = testing::node("model", "shop", "orders");
//! let asset = testing::translate::<Same>(serde_json::json!({}), &node).unwrap();
//! assert_eq!(asset.key, ["orders"]);
//! ```

use crate::notifier::{self, Destination, Notification, Notifier, Request, Run};
use crate::retry_policy::{Answer, EarlierAttempt, FailedNode, Failure, RetryPolicy};
use crate::translator::{Asset, Node, Translator};
use serde_json::{Value, json};

/// A model, seed or snapshot of a package: a node without tags, meta or a schema of its own. Its fields are there to be
/// changed.
pub fn node(resource_type: &str, package: &str, name: &str) -> Node {
    let (folder, extension, materialized) = match resource_type {
        "seed" => ("seeds", "csv", "seed"),
        "snapshot" => ("snapshots", "sql", "snapshot"),
        _ => ("models", "sql", "view"),
    };
    let unique_id = format!("{resource_type}.{package}.{name}");
    Node {
        resource_type: resource_type.to_owned(),
        name: name.to_owned(),
        source_name: None,
        package_name: package.to_owned(),
        original_file_path: format!("{folder}/{name}.{extension}"),
        fqn: vec![package.to_owned(), name.to_owned()],
        database: Some("warehouse".to_owned()),
        schema: Some("main".to_owned()),
        alias: Some(name.to_owned()),
        materialized: Some(materialized.to_owned()),
        tags: Vec::new(),
        description: String::new(),
        meta: "{}".to_owned(),
        entry: entry(&unique_id, resource_type, package, name),
        extra: Vec::new(),
        default_asset: asset(&[name]),
        unique_id,
    }
}

/// A table of a source that the package declares.
pub fn source(package: &str, source: &str, table: &str) -> Node {
    let unique_id = format!("source.{package}.{source}.{table}");
    Node {
        source_name: Some(source.to_owned()),
        original_file_path: "models/sources.yml".to_owned(),
        fqn: vec![package.to_owned(), source.to_owned(), table.to_owned()],
        schema: Some(source.to_owned()),
        materialized: None,
        entry: entry(&unique_id, "source", package, table),
        default_asset: asset(&[source, table]),
        unique_id,
        ..node("source", package, table)
    }
}

/// Translates a node as the host would: reads and checks the configuration, then asks for the asset.
pub fn translate<T: Translator>(config: Value, node: &Node) -> Result<Asset, String> {
    let mut answers =
        crate::translator::translate::<T>(&config.to_string(), std::slice::from_ref(node));
    answers
        .pop()
        .unwrap_or_else(|| Err("the translator gave no answer".to_owned()))
}

/// The first attempt at `dbt build` in the job `build` of the project `shop`: dbt ended with exit code 1, and nothing is
/// said yet of why. Its fields are there to be changed; see [`failed`], [`dbt_failed`], [`killed`].
pub fn failure() -> Failure {
    Failure {
        project: "shop".to_owned(),
        job: Some("build".to_owned()),
        run: 12,
        step: 1,
        command: vec!["build".to_owned()],
        attempt: 1,
        kind: Failure::NODE.to_owned(),
        exit_code: Some(1),
        signal: None,
        message: None,
        failed: Vec::new(),
        failed_total: 0,
        unfinished: Vec::new(),
        unfinished_total: 0,
        earlier: Vec::new(),
        threads: Some(4),
        started_at: 1_767_225_600_000,
        finished_at: 1_767_225_660_000,
        now: 1_767_225_660_000,
        seed: 42,
        extra: Vec::new(),
    }
}

/// A failure of nodes, which are what is not done.
pub fn failed(nodes: impl IntoIterator<Item = FailedNode>) -> Failure {
    let failed: Vec<_> = nodes.into_iter().collect();
    let unfinished: Vec<_> = failed.iter().map(|node| node.unique_id.clone()).collect();
    let total = u32::try_from(failed.len()).unwrap_or(u32::MAX);
    Failure {
        failed,
        failed_total: total,
        unfinished,
        unfinished_total: total,
        ..failure()
    }
}

/// A failure of dbt itself, with its text.
pub fn dbt_failed(message: &str) -> Failure {
    Failure {
        kind: Failure::DBT.to_owned(),
        exit_code: Some(2),
        message: Some(message.to_owned()),
        ..failure()
    }
}

/// A dbt that a signal ended.
pub fn killed(signal: i32) -> Failure {
    Failure {
        kind: Failure::KILLED.to_owned(),
        exit_code: None,
        signal: Some(signal),
        ..failure()
    }
}

/// The same failure at a later attempt, with those before it, each a minute long.
pub fn at_attempt(failure: Failure, attempt: u32) -> Failure {
    let earlier = (1..attempt).map(|number| EarlierAttempt {
        attempt: number,
        kind: failure.kind.clone(),
        message: failure.message.clone(),
        failed: failure
            .failed
            .iter()
            .map(|node| node.unique_id.clone())
            .collect(),
        started_at: failure.started_at - u64::from(attempt - number) * 120_000,
        finished_at: failure.started_at - u64::from(attempt - number) * 120_000 + 60_000,
        waited: 60_000,
        reason: "attempt again".to_owned(),
    });
    Failure {
        attempt,
        earlier: earlier.collect(),
        ..failure
    }
}

/// A node of the project `shop` that failed with this text.
pub fn failed_node(resource_type: &str, name: &str, state: &str, message: &str) -> FailedNode {
    FailedNode {
        unique_id: format!("{resource_type}.shop.{name}"),
        resource_type: resource_type.to_owned(),
        name: name.to_owned(),
        state: state.to_owned(),
        message: Some(message.to_owned()),
        failures: None,
        started_at: Some(1_767_225_601_000),
        took: Some(1_500),
        tags: Vec::new(),
        meta: "{}".to_owned(),
        failed_attempts: 1,
        extra: Vec::new(),
    }
}

/// Asks a retry policy as the host would: reads and checks the configuration, then asks for the answer.
pub fn decide<T: RetryPolicy>(config: Value, failure: &Failure) -> Result<Answer, String> {
    crate::retry_policy::decide::<T>(&config.to_string(), failure)
}

/// A destination of a kind: `http`, `smtp`, `file` or `stdout`.
pub fn destination(name: &str, kind: &str) -> Destination {
    Destination {
        name: name.to_owned(),
        kind: kind.to_owned(),
    }
}

/// A notification about run 12 of the job `build` in the project `shop`, which is about no node yet.
pub fn notification(kind: &str, title: &str) -> Notification {
    let severity = match kind {
        "run_failed" | "asset_failed" | "check_failed" | "freshness_error" => "error",
        "run_cancelled" | "run_incomplete" | "run_late" | "retry_scheduled" | "freshness_warn"
        | "schedule_missed" => "warning",
        _ => "info",
    };
    Notification {
        id: "481".to_owned(),
        kind: kind.to_owned(),
        severity: severity.to_owned(),
        at: "2026-01-01T06:02:03Z".to_owned(),
        title: title.to_owned(),
        text: None,
        alert: "ops".to_owned(),
        project: Some("shop".to_owned()),
        job: Some("build".to_owned()),
        run: Some(run("failed")),
        nodes: Vec::new(),
        nodes_total: 0,
        skipped: Vec::new(),
        skipped_total: 0,
        owners: Vec::new(),
        link: Some("http://127.0.0.1:4600/runs/12".to_owned()),
        extra: Vec::new(),
    }
}

/// Run 12, which its schedule asked for and which took 123 seconds; without attempts.
pub fn run(state: &str) -> Run {
    Run {
        id: 12,
        state: state.to_owned(),
        reason: None,
        user: "tidegate".to_owned(),
        via: "schedule".to_owned(),
        target: Some("dev".to_owned()),
        requested_at: "2026-01-01T06:00:00Z".to_owned(),
        started_at: Some("2026-01-01T06:00:00Z".to_owned()),
        finished_at: Some("2026-01-01T06:02:03Z".to_owned()),
        took: Some(123_000),
        usually_took: Some(60_000),
        counts: Vec::new(),
        attempts: Vec::new(),
        link: Some("http://127.0.0.1:4600/runs/12".to_owned()),
    }
}

/// A node of the project `shop` that failed with this line, for [`Notification::nodes`](Notification).
pub fn notified_node(resource_type: &str, name: &str, message: &str) -> notifier::Node {
    notifier::Node {
        unique_id: format!("{resource_type}.shop.{name}"),
        asset_key: None,
        resource_type: resource_type.to_owned(),
        name: name.to_owned(),
        state: "error".to_owned(),
        message: Some(message.to_owned()),
        detail: Some(message.to_owned()),
        failures: None,
        query: None,
        path: Some(format!("models/{name}.sql")),
        owners: Vec::new(),
        took: Some(1_500),
        link: None,
        extra: Vec::new(),
    }
}

/// Asks a notifier as the host would: reads and checks the configuration, then asks for the requests.
pub fn render<T: Notifier>(
    config: Value,
    destinations: &[Destination],
    notification: &Notification,
) -> Result<Vec<Request>, String> {
    notifier::render::<T>(&config.to_string(), destinations, notification)
}

fn entry(unique_id: &str, resource_type: &str, package: &str, name: &str) -> String {
    json!({
        "unique_id": unique_id,
        "resource_type": resource_type,
        "package_name": package,
        "name": name,
    })
    .to_string()
}

fn asset(key: &[&str]) -> Asset {
    Asset {
        key: key.iter().map(|&part| part.to_owned()).collect(),
        group: None,
        owners: Vec::new(),
        tags: Vec::new(),
        description: None,
        metadata: Vec::new(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn examples_look_like_dbts_nodes() {
        let seed = node("seed", "shop", "countries");
        assert_eq!(seed.unique_id, "seed.shop.countries");
        assert_eq!(seed.original_file_path, "seeds/countries.csv");
        assert!(!seed.is_source());

        let table = source("shop", "raw", "orders");
        assert_eq!(table.unique_id, "source.shop.raw.orders");
        assert_eq!(table.default_asset().key, ["raw", "orders"]);
        assert_eq!(table.resource_type, "source");
        assert_eq!(table.entry()["unique_id"], json!("source.shop.raw.orders"));
        assert!(table.is_source() && table.materialized.is_none());
    }
}
