//! Decisions about failures as real adapters tell of them.

use super::*;
use proptest::prelude::*;
use serde_json::{Value, json};
use tidegate_plugin::retry_policy::{Decision, Retry, Scope};
use tidegate_plugin::testing::{at_attempt, dbt_failed, decide, failed, failed_node, failure, killed};

/// What DuckDB says, here and in dbt's text, when another process has the file.
const LOCKED: &str = "IO Error: Could not set lock on file \"/srv/dbt/shop.duckdb\": Conflicting lock is held in /usr/bin/python3.11 (PID 1234). See also https://duckdb.org/docs/current/connect/concurrency";

fn decided(config: Value, failure: &Failure) -> (Option<Retry>, String) {
    let answer = decide::<Transient>(config, failure).unwrap();
    match answer.decision {
        Decision::Retry(retry) => (Some(retry), answer.reason),
        Decision::GiveUp => (None, answer.reason),
    }
}

fn model(name: &str, message: &str) -> FailedNode {
    failed_node("model", name, "error", message)
}

fn in_model(message: &str) -> Failure {
    failed([model("orders", &format!("Runtime Error in model orders (models/orders.sql)\n  {message}"))])
}

#[test]
fn only_what_is_unfinished_is_done_again_after_a_lock() {
    let (retry, reason) = decided(json!({}), &in_model(LOCKED));
    assert_eq!(retry, Some(Retry { after: 30_000, scope: Scope::Unfinished, threads: None }));
    assert_eq!(reason, "it is locked by someone else (`orders`): attempt 2 of 4 in 30 s");

    let (retry, reason) = decided(json!({}), &dbt_failed(&format!("Encountered an error:\n{LOCKED}")));
    assert_eq!(retry.unwrap().scope, Scope::All, "dbt did not even begin");
    assert_eq!(reason, "it is locked by someone else: attempt 2 of 4 in 30 s");
}

#[test]
fn texts_of_adapters_that_may_work_the_next_time() {
    for text in [
        LOCKED,
        // DuckDB
        "TransactionContext Error: Conflict on update!",
        "TransactionContext Error: Catalog write-write conflict on alter with \"orders\"",
        "TransactionContext Error: Failed to commit: Transaction conflict: attempting to insert into table \"\"orders\"\" but it has been dropped by a different transaction",
        "HTTP Error: HTTP GET error on 'https://bucket.s3.amazonaws.com/x.parquet' (HTTP 503)",
        "INTERRUPT Error: Interrupted!",
        // SQLite
        "database is locked",
        // Postgres
        "deadlock detected\n  DETAIL:  Process 10 waits for AccessExclusiveLock on relation 16385 of database 16384; blocked by process 11.\n  HINT:  See server log for query details.",
        "could not serialize access due to concurrent update",
        "canceling statement due to lock timeout",
        "canceling statement due to statement timeout",
        "connection to server at \"db\" (10.0.0.1), port 5432 failed: Connection refused\n\tIs the server running on that host and accepting TCP/IP connections?",
        "server closed the connection unexpectedly\n\tThis probably means the server terminated abnormally",
        "SSL connection has been closed unexpectedly",
        "could not translate host name \"db\" to address: Temporary failure in name resolution",
        "terminating connection due to administrator command",
        "FATAL:  the database system is starting up",
        "duplicate key value violates unique constraint \"pg_type_typname_nsp_index\"",
        "could not open relation with OID 16999",
        // Snowflake
        "000603 (XX000): SQL execution internal error: Processing aborted due to error 300010; please retry",
        "000625 (57014): Statement '01b2' has locked table 'ORDERS' in transaction 17 and this lock has not yet been released. The number of waiters for this lock exceeds the 20 statements limit.",
        "000630 (57014): Statement reached its statement or warehouse timeout of 3,600 second(s) and was canceled.",
        "250001 (08001): None: Failed to connect to DB: xy12345.snowflakecomputing.com:443. HTTP 503: Service Unavailable",
        // BigQuery
        "Exceeded rate limits: too many table update operations for this table. For more information, see https://cloud.google.com/bigquery/docs/troubleshoot-quotas",
        "403 Quota exceeded: Your project exceeded quota for free query bytes scanned.",
        "Transaction is aborted due to concurrent update against table shop.orders",
        "503 Service Unavailable: Visibility check was unavailable. Please retry the request and contact support if the problem persists",
        "Read timed out. (read timeout=300)",
        // Redshift
        "1023\n  DETAIL:  Serializable isolation violation on table - 100101, transactions forming the cycle are: 1, 2 (pid:3)",
        "SSL SYSCALL error: EOF detected",
        // Databricks
        "[DELTA_CONCURRENT_APPEND] ConcurrentAppendException: Files were added to the root of the table by a concurrent update.",
        "Max retries exceeded with url: /sql/protocolv1 (Caused by NewConnectionError)",
        "TEMPORARILY_UNAVAILABLE: The service at /api/2.0/sql is temporarily unavailable.",
        "Error during request to server: HTTP 429 Too Many Requests",
        // Trino
        "TrinoExternalError(type=EXTERNAL, name=HIVE_METASTORE_ERROR, message=\"metastore: java.net.SocketTimeoutException: Read timed out\")",
        "TrinoInternalError(type=INTERNAL_ERROR, name=PAGE_TRANSPORT_ERROR, message=\"Error fetching results\")",
        // MySQL, SQL Server
        "1205 (HY000): Lock wait timeout exceeded; try restarting transaction",
        "Transaction (Process ID 52) was deadlocked on lock resources with another process and has been chosen as the deadlock victim.",
    ] {
        let (retry, reason) = decided(json!({}), &in_model(text));
        assert!(retry.is_some(), "{text}\n{reason}");
        assert_eq!(retry.unwrap().threads, None, "{text}");
    }
}

#[test]
fn a_crowded_database_gets_fewer_threads() {
    for text in [
        "FATAL:  sorry, too many clients already",
        "FATAL:  remaining connection slots are reserved for non-replication superuser connections",
        "FATAL:  too many connections for role \"dbt\"",
        "TrinoQueryError(type=INSUFFICIENT_RESOURCES, name=QUERY_QUEUE_FULL, message=\"Too many queued queries for global\")",
        "Out of Memory Error: could not allocate block of size 256.0 KiB (1.9 GiB/1.9 GiB used)",
    ] {
        let (retry, reason) = decided(json!({}), &in_model(text));
        assert_eq!(retry.unwrap().threads, Some(2), "{text}");
        assert!(reason.ends_with("attempt 2 of 4 in 30 s, with 2 threads"), "{reason}");
    }
    for (before, after) in [(None, None), (Some(1), None), (Some(2), Some(1)), (Some(5), Some(2))] {
        let failure = Failure { threads: before, ..in_model("FATAL:  sorry, too many clients already") };
        assert_eq!(decided(json!({}), &failure).0.unwrap().threads, after);
    }
}

#[test]
fn texts_of_adapters_that_would_come_again() {
    for text in [
        // DuckDB
        "Binder Error: Referenced column \"nope\" not found in FROM clause!\nCandidate bindings: \"timeout\"",
        "Catalog Error: Table with name lock_timeout does not exist!\nDid you mean \"pg_enum\"?",
        "Parser Error: syntax error at or near \"selec\"",
        "Conversion Error: Could not convert string 'a' to INT32",
        "Invalid Input Error: boom: a division that cannot be",
        "Constraint Error: NOT NULL constraint failed: orders.id",
        "IO Error: No files found that match the pattern \"nope.csv\"",
        // Postgres, Redshift
        "relation \"raw.orders\" does not exist\n  LINE 3: select * from raw.orders",
        "permission denied for schema finance",
        "division by zero",
        "connection to server at \"db\", port 5432 failed: FATAL:  password authentication failed for user \"dbt\"",
        // Snowflake
        "002003 (42S02): SQL compilation error:\n  Object 'SHOP.RAW.ORDERS' does not exist or not authorized.",
        "000904 (42000): SQL compilation error: error line 3 at position 4\n  invalid identifier 'NOPE'",
        "250001 (08001): None: Failed to connect to DB: xy12345.snowflakecomputing.com:443. Incorrect username or password was specified.",
        // BigQuery
        "Unrecognized name: nope at [3:8]",
        "Not found: Table shop:raw.orders was not found in location EU",
        "Access Denied: Table shop:raw.orders: User does not have permission to query table shop:raw.orders",
        // Databricks
        "[TABLE_OR_VIEW_NOT_FOUND] The table or view `raw`.`orders` cannot be found.",
        "[PARSE_SYNTAX_ERROR] Syntax error at or near 'selec'.",
        // Trino
        "TrinoUserError(type=USER_ERROR, name=COLUMN_NOT_FOUND, message=\"line 3:8: Column 'nope' cannot be resolved\")",
    ] {
        let (retry, reason) = decided(json!({"unknown": "retry"}), &in_model(text));
        assert_eq!(retry, None, "{text}");
        assert!(reason.starts_with("`orders` would fail again: "), "{reason}");
        assert!(reason.len() < 400 && reason.lines().count() == 1, "{reason}");
    }
    let (_, reason) = decided(
        json!({}),
        &in_model("Binder Error: Referenced column \"nope\" not found in FROM clause!\nLINE 1"),
    );
    assert_eq!(
        reason,
        "`orders` would fail again: a relation, column or function is missing: Binder Error: Referenced column \"nope\" not found in FROM clause!"
    );
    let (_, reason) = decided(
        json!({}),
        &dbt_failed(
            "Encountered an error:\nCompilation Error\n  Model 'model.shop.orders' (models/orders.sql) depends on a node named 'nope' which was not found",
        ),
    );
    assert!(
        reason.starts_with("dbt would fail again: dbt cannot read the project: Model 'model.shop.orders'"),
        "{reason}"
    );
}

#[test]
fn a_failed_data_test_is_given_up_at_once_whatever_else_failed() {
    let test = failed_node("test", "unique_orders_id", "fail", "Got 3 results, configured to fail if != 0");
    let (retry, reason) = decided(json!({}), &failed([model("customers", LOCKED), test]));
    assert_eq!(retry, None);
    assert_eq!(
        reason,
        "`unique_orders_id` would fail again: the data does not pass the test: Got 3 results, configured to fail if != 0"
    );
    let locked_test = failed_node("test", "unique_orders_id", "error", LOCKED);
    assert!(decided(json!({}), &failed([locked_test])).0.is_some(), "its query could not be made");
    let stale = failed_node("source", "raw_orders", "error", "");
    assert_eq!(decided(json!({}), &failed([stale])).1, "`raw_orders` would fail again: its data is too old");
    let unreadable = failed_node("source", "raw_orders", "runtime error", "Connection refused");
    assert!(decided(json!({}), &failed([unreadable])).0.is_some());
}

#[test]
fn one_node_that_would_fail_again_is_enough() {
    let nodes = [
        model("a", LOCKED),
        model("b", "deadlock detected"),
        model("c", "syntax error at or near \"selec\""),
    ];
    let (retry, reason) = decided(json!({}), &failed(nodes.clone()));
    assert!(retry.is_none() && reason.starts_with("`c` would fail again: the query is wrong"), "{reason}");
    let (retry, reason) = decided(json!({}), &failed(nodes[..2].to_vec()));
    assert!(retry.is_some());
    assert_eq!(reason, "it is locked by someone else (`a` and 1 more): attempt 2 of 4 in 30 s");
}

#[test]
fn what_failed_because_of_something_else_says_nothing() {
    let aborted =
        model("b", "current transaction is aborted, commands ignored until end of transaction block");
    let skipped = failed_node("model", "c", "skipped", "permission denied");
    let (retry, reason) = decided(json!({}), &failed([aborted.clone(), skipped, model("a", LOCKED)]));
    assert!(retry.is_some() && reason.contains("(`a` and 2 more)"), "{reason}");
    assert_eq!(decided(json!({}), &failed([aborted])).1, "nothing is known of why dbt failed");
}

#[test]
fn what_is_not_known_is_the_operators_to_judge() {
    let odd = in_model("something odd");
    assert_eq!(
        decided(json!({}), &odd),
        (None, "nothing is known of why `orders` failed: something odd".to_owned())
    );
    let (retry, reason) = decided(json!({"unknown": "retry"}), &odd);
    assert!(retry.is_some());
    assert_eq!(reason, "the cause is not known (`orders`): attempt 2 of 4 in 30 s");

    let silent = failure();
    assert_eq!(decided(json!({}), &silent), (None, "nothing is known of why dbt failed".to_owned()));
    assert!(decided(json!({"unknown": "retry"}), &silent).0.is_some());
    let later = Failure { kind: "stalled".to_owned(), ..failure() };
    assert_eq!(decided(json!({}), &later).0, None, "a kind of a later version");
}

#[test]
fn own_rules_come_first() {
    let config = json!({"rules": [
        {"pattern": "something (odd|even)", "is": "transient", "threads": "halve", "because": "the vendor is at it again"},
        {"pattern": "got \\d+ results", "is": "transient"},
        {"pattern": "lock on file", "is": "permanent"},
    ]});
    let (retry, reason) = decided(config.clone(), &in_model("something ODD"));
    assert_eq!(retry.unwrap().threads, Some(2));
    assert_eq!(reason, "the vendor is at it again (`orders`): attempt 2 of 4 in 30 s, with 2 threads");
    let test = failed_node("test", "unique", "fail", "Got 3 results, configured to fail if != 0");
    assert!(decided(config.clone(), &failed([test])).0.is_some());
    assert_eq!(decided(config, &in_model(LOCKED)).0, None);
}

#[test]
fn a_dbt_that_was_killed_goes_on() {
    let mut dead = killed(9);
    dead.unfinished = vec!["model.shop.orders".to_owned()];
    dead.unfinished_total = 1;
    let (retry, reason) = decided(json!({}), &dead);
    assert_eq!(retry, Some(Retry { after: 30_000, scope: Scope::Unfinished, threads: Some(2) }));
    assert_eq!(
        reason,
        "signal 9 ended dbt, perhaps because memory ran out: attempt 2 of 4 in 30 s, with 2 threads"
    );
    let (retry, reason) = decided(json!({}), &Failure { signal: Some(2), ..dead.clone() });
    assert_eq!(retry.unwrap().threads, None);
    assert_eq!(reason, "signal 2 ended dbt: attempt 2 of 4 in 30 s");
    let broken = Failure { failed: vec![model("a", "syntax error")], failed_total: 1, ..dead };
    assert_eq!(decided(json!({}), &broken).0, None, "the run cannot succeed any more");
}

#[test]
fn a_dbt_that_cannot_be_started_is_given_up() {
    let failure = Failure { kind: "not-started".to_owned(), ..dbt_failed("no such file: /opt/dbt") };
    let (retry, reason) = decided(json!({"unknown": "retry"}), &failure);
    assert_eq!(retry, None);
    assert_eq!(reason, "dbt could not be started, and waiting does not help: no such file: /opt/dbt");
}

#[test]
fn retries_are_counted_and_spaced() {
    let config = json!({"max_retries": 2, "delay": "10s", "backoff": "exponential"});
    let waits = [1, 2, 3]
        .map(|n| decided(config.clone(), &at_attempt(in_model(LOCKED), n)).0.map(|retry| retry.after));
    assert_eq!(waits, [Some(10_000), Some(30_000), None]);
    assert_eq!(
        decided(config, &at_attempt(in_model(LOCKED), 3)).1,
        "it is locked by someone else (`orders`): attempt 3 of 3 failed, no retry is left"
    );
    let never = decided(json!({"max_retries": 0}), &in_model(LOCKED)).1;
    assert_eq!(never, "it is locked by someone else (`orders`), and no retries are wanted");
}

#[test]
fn a_thousand_nodes_are_judged_together() {
    let long = format!("{LOCKED}\n{}", "x".repeat(8000));
    let mut many = failed((0..1000).map(|n| model(&format!("m{n}"), &long)));
    many.failed_total = 5000;
    let (retry, reason) = decided(json!({}), &many);
    assert!(retry.is_some() && reason.contains("(`m0` and 4999 more)"), "{reason}");
    many.failed[999].message = Some("syntax error".to_owned());
    assert_eq!(decided(json!({}), &many).0, None);
}

#[test]
fn the_cause_of_a_dbt_that_failed_may_stand_at_the_end() {
    let traceback =
        format!("Traceback (most recent call last):\n{}{LOCKED}", "  File \"dbt/cli/main.py\"\n".repeat(500));
    assert!(decided(json!({}), &dbt_failed(&traceback)).0.is_some());
}

#[test]
fn mistakes_in_the_configuration_are_told() {
    for (config, words) in [
        (json!({"rule": []}), "unknown field `rule`"),
        (json!({"unknown": "maybe"}), "expected `give-up` or `retry`"),
        (json!({"max_delay": "1s"}), "`max_delay` is 1 s"),
        (json!({"rules": [{"pattern": "[", "is": "transient"}]}), "rule `[` is no pattern"),
    ] {
        let error = decide::<Transient>(config, &failure()).unwrap_err();
        assert!(error.contains(words), "{error}");
    }
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn any_text_has_an_answer_of_one_line(text in any::<String>(), kind in "node|dbt|killed|not-started|[a-z]{1,9}", attempt in 1_u32..9) {
        let mut failure = at_attempt(in_model(&text), attempt);
        failure.kind = kind;
        failure.message = Some(text.clone());
        let answer = decide::<Transient>(json!({}), &failure).unwrap();
        prop_assert!(!answer.reason.is_empty() && !answer.reason.contains('\n'));
        failure.failed.clear();
        decide::<Transient>(json!({"unknown": "retry"}), &failure).unwrap();
    }
}
