//! What differs between two runs, in how they were made and in what became of their nodes.

use std::collections::{BTreeMap, BTreeSet};

use axum::extract::State;
use serde::Serialize;
use serde_json::{Value, json};
use utoipa::ToSchema;
use utoipa_axum::{router::OpenApiRouter, routes};

use crate::{
    fold,
    model::{Attempt, NodeRun, NodeState, Run, RunId},
    store::{NodeOf, Reader},
    web::{
        Problem,
        extract::{Json, Path},
        run::{self, RunSummary},
        state::Web,
    },
};

pub fn router() -> OpenApiRouter<Web> {
    OpenApiRouter::new().routes(routes!(compare_runs))
}

/// Two runs beside each other.
#[derive(Debug, Clone, PartialEq, Serialize, ToSchema)]
struct Comparison {
    /// The run.
    run: RunSummary,
    /// The other one.
    other: RunSummary,
    /// What differs in how they were made.
    differences: Vec<Difference>,
    /// The nodes of both; what has changed most comes first.
    nodes: Vec<NodeComparison>,
}

/// Something that differs.
#[derive(Debug, Clone, PartialEq, Serialize, ToSchema)]
struct Difference {
    /// What, from the outermost to the innermost: `configuration`, `job`, `vars`, `start_date`.
    what: Vec<String>,
    /// As the run has it; null where it has no such thing.
    run: Option<Value>,
    /// As the other one has it.
    other: Option<Value>,
}

/// A node in two runs.
#[derive(Debug, Clone, PartialEq, Serialize, ToSchema)]
struct NodeComparison {
    /// dbt's id of the node.
    unique_id: String,
    /// The key of the asset; null for what is no asset, and where the project is not known any more.
    key: Option<String>,
    /// The node's name.
    name: String,
    /// What became of it in the run; null where that has no such node.
    run: Option<NodeOutcome>,
    /// What became of it in the other one.
    other: Option<NodeOutcome>,
    /// By how many seconds it took longer in the run than in the other one; null where one of them does not say.
    slower_by: Option<f64>,
}

/// What became of a node.
#[derive(Debug, Clone, PartialEq, Serialize, ToSchema)]
struct NodeOutcome {
    /// dbt's word for how it went.
    state: NodeState,
    /// Seconds.
    execution_time: Option<f64>,
    /// Rows that the adapter says it wrote.
    rows_affected: Option<u64>,
    /// Rows that made a test fail or warn.
    failures: Option<u64>,
}

/// What differs between a run and another one; of the same job, or of another one.
#[utoipa::path(get, path = "/runs/{run}/compare/{other}", tag = "runs",
    params(
        ("run" = RunId, Path, description = "The run's number"),
        ("other" = RunId, Path, description = "The other run's number"),
    ),
    responses(
        (status = 200, body = Comparison),
        (status = 404, description = "There is no such run", body = Problem, content_type = "application/problem+json"),
        (status = "default", body = Problem, content_type = "application/problem+json"),
    ))]
async fn compare_runs(
    State(web): State<Web>,
    Path((one, other)): Path<(RunId, RunId)>,
) -> Result<Json<Comparison>, Problem> {
    let compare = move |web: &Web, reader: &Reader| {
        let (run, nodes) = side(reader, one)?;
        let (other, other_nodes) = side(reader, other)?;
        let mut found = Vec::new();
        differ(&mut Vec::new(), Some(&made(&run.run)), Some(&made(&other.run)), &mut found);
        let project = web.front().shelf().known(&run.run.request.project);
        let ids: BTreeSet<_> = nodes.keys().chain(other_nodes.keys()).cloned().collect();
        let outcome = |node: &NodeRun| NodeOutcome {
            state: node.state.clone(),
            execution_time: node.execution_time,
            rows_affected: node.rows_affected,
            failures: node.failures,
        };
        let mut compared: Vec<_> = ids
            .into_iter()
            .map(|id| {
                let (run, other) = (nodes.get(&id), other_nodes.get(&id));
                let (key, name) = run::named(&id, project.as_deref());
                let slower_by = run.and_then(|n| n.execution_time).zip(other.and_then(|n| n.execution_time));
                NodeComparison {
                    unique_id: id,
                    key,
                    name,
                    run: run.map(outcome),
                    other: other.map(outcome),
                    slower_by: slower_by.map(|(run, other)| run - other),
                }
            })
            .collect();
        compared
            .sort_by(|a, b| b.weight().total_cmp(&a.weight()).then_with(|| a.unique_id.cmp(&b.unique_id)));
        let [run, other] = <[RunSummary; 2]>::try_from(run::summaries(web, vec![run, other])?)
            .map_err(|_| Problem::unavailable("a run is gone"))?;
        Ok(Comparison { run, other, differences: found, nodes: compared })
    };
    Ok(Json(web.read(compare).await?))
}

impl NodeComparison {
    /// How much it has changed: another end counts more than any time.
    fn weight(&self) -> f64 {
        fn state(outcome: Option<&NodeOutcome>) -> Option<&NodeState> {
            outcome.map(|outcome| &outcome.state)
        }
        let other_end = if state(self.run.as_ref()) == state(self.other.as_ref()) { 0.0 } else { 1e12 };
        other_end + self.slower_by.unwrap_or_default().abs()
    }
}

/// A run, and where each of its nodes stood in the end.
fn side(
    reader: &Reader,
    id: RunId,
) -> Result<(crate::store::RunSummary, BTreeMap<String, NodeRun>), Problem> {
    let found = reader.summary(id)?.ok_or(crate::store::StoreError::NoSuchRun(id.0))?;
    let (rows, _) = reader.nodes(id)?;
    let nodes = last_states(&found.run, rows);
    Ok((found, nodes))
}

/// The last state of each node over all steps and attempts.
fn last_states(run: &Run, rows: Vec<NodeOf>) -> BTreeMap<String, NodeRun> {
    let mut last: BTreeMap<String, NodeRun> = BTreeMap::new();
    for (step, _, node) in rows {
        let args = run.step(step).map(|step| step.args.as_slice()).unwrap_or_default();
        // What only compiled says nothing about what an earlier step has built.
        if fold::tells(args, &node) || !last.contains_key(&node.unique_id) {
            last.insert(node.unique_id.clone(), node);
        }
    }
    last
}

/// How a run was made, as one value.
fn made(run: &Run) -> Value {
    let request = &run.request;
    let attempts: Vec<&Attempt> = run.steps.iter().flat_map(|step| &step.attempts).collect();
    let reported = |tell: fn(&Attempt) -> Option<&String>| attempts.iter().rev().find_map(|a| tell(a));
    let plugins: BTreeMap<_, _> = run
        .plugins
        .iter()
        .map(|p| (format!("{} {}", p.kind, p.name), json!({ "version": p.version, "digest": p.digest })))
        .collect();
    let steps: Vec<_> = run.steps.iter().map(|step| crate::model::shell_words(&step.args)).collect();
    json!({
        "project": request.project,
        "job": request.job,
        "steps": steps,
        "configuration": *request.configuration,
        "limits": request.limits,
        "retry": request.retry,
        "gate": request.gate,
        "empty_fails": request.empty_fails,
        "manifest_digest": run.manifest_digest,
        "plugins": plugins,
        "revision": reported(|a| a.revision.as_ref()),
        "dbt_version": reported(|a| a.dbt_version.as_ref()),
        "adapter": reported(|a| a.adapter.as_ref()),
        "target": reported(|a| a.target.as_ref()),
    })
}

/// Where two values differ, at the innermost places.
fn differ(at: &mut Vec<String>, one: Option<&Value>, other: Option<&Value>, found: &mut Vec<Difference>) {
    let said = |value: Option<&Value>| value.filter(|value| !value.is_null()).cloned();
    match (one, other) {
        (Some(Value::Object(a)), Some(Value::Object(b))) => {
            let keys: BTreeSet<_> = a.keys().chain(b.keys()).collect();
            for key in keys {
                at.push(key.clone());
                differ(at, a.get(key), b.get(key), found);
                at.pop();
            }
        }
        _ if said(one) != said(other) => {
            found.push(Difference { what: at.clone(), run: said(one), other: said(other) });
        }
        _ => {}
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_differs_is_named_by_its_innermost_place() {
        let one = json!({ "a": { "b": 1, "c": [1, 2], "d": null }, "e": "x", "same": { "f": 1 } });
        let other = json!({ "a": { "b": 2, "c": [1] }, "e": { "g": 1 }, "same": { "f": 1 }, "new": false });
        let mut found = Vec::new();
        differ(&mut Vec::new(), Some(&one), Some(&other), &mut found);
        let found: Vec<_> = found.into_iter().map(|d| (d.what.join("."), d.run, d.other)).collect();
        let expected = [
            ("a.b", Some(json!(1)), Some(json!(2))),
            ("a.c", Some(json!([1, 2])), Some(json!([1]))),
            ("e", Some(json!("x")), Some(json!({ "g": 1 }))),
            ("new", None, Some(json!(false))),
        ];
        assert_eq!(found, expected.map(|(what, run, other)| (what.to_owned(), run, other)));
    }

    #[test]
    fn another_end_counts_more_than_any_time() {
        let outcome = |state: &str, time| {
            Some(NodeOutcome {
                state: NodeState::from(state),
                execution_time: Some(time),
                rows_affected: None,
                failures: None,
            })
        };
        let node = |run, other, slower_by| NodeComparison {
            unique_id: String::new(),
            key: None,
            name: String::new(),
            run,
            other,
            slower_by,
        };
        let failed = node(outcome("error", 1.0), outcome("success", 1.0), Some(0.0));
        let faster = node(outcome("success", 1.0), outcome("success", 9_000.0), Some(-8_999.0));
        let new = node(outcome("success", 1.0), None, None);
        assert!(failed.weight() > faster.weight());
        assert!(new.weight() > faster.weight());
        assert!(faster.weight() > 8_000.0);
    }
}
