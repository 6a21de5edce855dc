//! What databases and dbt say when something goes wrong, and whether it may work the next time.
//!
//! Owns the list, in the order in which it is read: the first cause whose words stand in a text is the text's cause. Never
//! knows of nodes or attempts.

use std::sync::OnceLock;

/// What a text says about the next time.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// It may work.
    Transient,
    /// It may work with fewer threads.
    Crowded,
    /// It will fail again.
    Permanent,
    /// It failed because something else did.
    Consequence,
}

/// A cause and the words that tell of it.
#[derive(Debug, PartialEq)]
pub struct Cause {
    /// What it says about the next time.
    pub verdict: Verdict,
    /// The cause, as a part of a sentence.
    pub what: &'static str,
    /// Words that tell of it, in small letters.
    words: &'static [&'static str],
}

/// The causes. What is certain comes first: a text about a deadlock may quote anything, and one about a broken connection may
/// say that the password is wrong.
pub const CAUSES: [Cause; 17] = [
    Cause {
        verdict: Verdict::Consequence,
        what: "it failed because something else did",
        words: &["current transaction is aborted", "skipping due to", "skipped due to", "skip because"],
    },
    Cause {
        verdict: Verdict::Transient,
        what: "it is locked by someone else",
        words: &[
            "could not set lock on file",
            "conflicting lock is held",
            "database is locked",
            "database table is locked",
            "database schema is locked",
            "lock wait timeout",
            "due to lock timeout",
            "could not obtain lock",
            "could not acquire lock",
            "unable to acquire lock",
            "failed to acquire lock",
            "lock not available",
            "lock request time out",
            "waiters for this lock exceeds",
            "resource busy and acquire with nowait",
        ],
    },
    Cause { verdict: Verdict::Transient, what: "there was a deadlock", words: &["deadlock"] },
    Cause {
        verdict: Verdict::Transient,
        what: "another transaction got in the way",
        words: &[
            "could not serialize access",
            "serializable isolation violation",
            "serialization failure",
            "write-write conflict",
            "transaction conflict",
            "conflict on update",
            "conflict on tuple deletion",
            "conflict with concurrent transaction",
            "dropped by a different transaction",
            "altered by a different transaction",
            "due to concurrent update",
            "concurrent update",
            "aborted due to concurrent",
            "concurrentappendexception",
            "concurrentdeletereadexception",
            "concurrentdeletedeleteexception",
            "concurrenttransactionexception",
            "concurrentwriteexception",
            "delta_concurrent_",
            "metadatachangedexception",
            "delta_metadata_changed",
            "tuple concurrently updated",
            "tuple concurrently deleted",
            "could not open relation with oid",
            "cache lookup failed for",
            "pg_type_typname_nsp_index",
            "pg_class_relname_nsp_index",
            "pg_namespace_nspname_index",
            "try restarting transaction",
            "transaction was aborted, please retry",
        ],
    },
    Cause {
        verdict: Verdict::Transient,
        what: "a rate limit or a quota was reached",
        words: &[
            "rate limit",
            "ratelimit",
            "rate_limit",
            "too many requests",
            "request_limit_exceeded",
            "http 429",
            "error 429",
            "status 429",
            "status code 429",
            "status code: 429",
            "quota exceeded",
            "quotaexceeded",
            "exceeded quota",
            "quota was exceeded",
            "throttled",
            "throttling",
            "slowdown: please reduce",
            "retrying the job with back-off",
        ],
    },
    Cause {
        verdict: Verdict::Permanent,
        what: "a login or a permission is missing",
        words: &[
            "permission denied",
            "permission_denied",
            "insufficient privilege",
            "insufficient permission",
            "insufficient_permissions",
            "not authorized",
            "unauthorized",
            "access denied",
            "access_denied",
            "accessdenied",
            "does not have permission",
            "does not have bigquery",
            "authentication failed",
            "authentication error",
            "incorrect username or password",
            "invalid credentials",
            "invalid access token",
            "invalid_grant",
            "jwt token is invalid",
            "must be owner of",
            "forbidden",
        ],
    },
    Cause {
        verdict: Verdict::Permanent,
        what: "a relation, column or function is missing",
        words: &[
            "does not exist",
            "not found in from clause",
            "invalid identifier",
            "unrecognized name:",
            "not found: table",
            "not found: dataset",
            "not found: project",
            "table_or_view_not_found",
            "table or view not found",
            "unresolved_column",
            "unresolved_routine",
            "schema_not_found",
            "table_not_found",
            "column_not_found",
            "catalog_not_found",
            "function_not_found",
            "cannot be resolved",
            "no such table",
            "no such column",
            "unknown column",
            "unknown table",
            "invalid object name",
            "invalid column name",
            "no files found that match",
        ],
    },
    Cause {
        verdict: Verdict::Permanent,
        what: "dbt cannot read the project",
        words: &[
            "parsing error",
            "compilation error",
            "dependency error",
            "depends on a node named",
            "depends on a source named",
            "is undefined",
            "env var required but not provided",
            "could not find profile",
            "does not have a target named",
            "no dbt_project.yml found",
            "no such option",
            "no such command",
            "invalid value for",
            "does not match any enabled nodes",
            "credentials in profile",
        ],
    },
    Cause {
        verdict: Verdict::Permanent,
        what: "the query is wrong",
        words: &[
            "syntax error",
            "syntax_error",
            "sql syntax",
            "mismatched input",
            "parser error:",
            "parser exception",
            "binder error:",
            "catalog error:",
            "not implemented error:",
            "must appear in the group by",
            "no matching signature",
            "no function matches",
            "type mismatch",
            "type_mismatch",
            "datatype_mismatch",
            "enforced contract",
        ],
    },
    Cause {
        verdict: Verdict::Permanent,
        what: "the data does not fit",
        words: &[
            "conversion error:",
            "constraint error:",
            "out of range error:",
            "invalid input error:",
            "invalid input syntax",
            "cast_invalid_input",
            "cannot cast",
            "could not convert",
            "is not recognized",
            "division by zero",
            "divide by zero",
            "divide_by_zero",
            "out of range",
            "not-null constraint",
            "unique constraint",
            "check constraint",
            "foreign key constraint",
            "value too long",
            "bad int64 value",
            "bad double value",
            "could not parse",
        ],
    },
    Cause {
        verdict: Verdict::Crowded,
        what: "the database has no room for more",
        words: &[
            "too many connections",
            "too many clients",
            "remaining connection slots",
            "connection limit exceeded",
            "out of connection slots",
            "out of slots",
            "queuepool limit",
            "too_many_simultaneous_queries",
            "too many simultaneous queries",
            "too many queued queries",
            "too many concurrent",
            "query_queue_full",
            "no_nodes_available",
            "insufficient_resources",
            "resource_exhausted",
            "concurrency limit",
            "max concurrent queries",
            "too many running queries",
        ],
    },
    Cause {
        verdict: Verdict::Crowded,
        what: "memory ran out",
        words: &[
            "out of memory error:",
            "out of memory",
            "cluster_out_of_memory",
            "exceeded_global_memory_limit",
            "memory_limit_exceeded",
            "memory limit (total) exceeded",
        ],
    },
    Cause {
        verdict: Verdict::Transient,
        what: "it took too long",
        words: &[
            "timed out",
            "timedout",
            "timeout",
            "time out",
            "deadline exceeded",
            "deadline_exceeded",
            "exceeded_time_limit",
        ],
    },
    Cause {
        verdict: Verdict::Transient,
        what: "the database is not there yet",
        words: &[
            "database system is starting up",
            "database system is shutting down",
            "database system is in recovery mode",
            "not yet accepting connections",
            "server_starting_up",
            "server_shutting_down",
            "cluster is starting",
            "is currently pending",
            "temporarily unavailable",
            "temporarily_unavailable",
            "server has gone away",
            "due to administrator command",
            "warehouse was suspended",
        ],
    },
    Cause {
        verdict: Verdict::Transient,
        what: "the connection broke",
        words: &[
            "connection reset",
            "connection refused",
            "connection closed",
            "connection aborted",
            "connection error",
            "connectionerror",
            "connection has been closed",
            "connection was closed",
            "connection was forcibly closed",
            "connection was killed",
            "connection already closed",
            "connection is closed",
            "connection not open",
            "closed the connection",
            "terminating connection",
            "lost connection",
            "could not connect",
            "cannot connect",
            "can't connect",
            "failed to connect",
            "unable to connect",
            "could not establish connection",
            "broken pipe",
            "ssl syscall error",
            "eof detected",
            "unexpected eof",
            "eof occurred in violation",
            "remote end closed",
            "remotedisconnected",
            "could not translate host name",
            "name or service not known",
            "name resolution",
            "nodename nor servname",
            "getaddrinfo failed",
            "no route to host",
            "network is unreachable",
            "communication link failure",
            "communications link failure",
            "max retries exceeded with url",
            "incompleteread",
            "remote_task_error",
            "page_transport_",
            "remote_host_gone",
            "http error:",
        ],
    },
    Cause {
        verdict: Verdict::Transient,
        what: "the server had an error of its own",
        words: &[
            "internal server error",
            "500 internal",
            "bad gateway",
            "502 server",
            "service unavailable",
            "503 server",
            "gateway timeout",
            "http 500",
            "http 502",
            "http 503",
            "http 504",
            "status code 500",
            "status code 502",
            "status code 503",
            "status code 504",
            "status code: 500",
            "status code: 502",
            "status code: 503",
            "status code: 504",
            "backenderror",
            "backend error",
            "internalerror",
            "internal error encountered",
            "an internal error occurred",
            "generic_internal_error",
            "try again later",
            "please retry",
            "please try again",
        ],
    },
    Cause {
        verdict: Verdict::Transient,
        what: "it was interrupted",
        words: &[
            "interrupt error:",
            "exited because of keyboard interrupt",
            "query was canceled",
            "statement canceled",
        ],
    },
];

/// The cause that a text tells of; none where it is not known.
pub fn cause(text: &str) -> Option<&'static Cause> {
    let text = text.to_ascii_lowercase();
    // A thousand texts of some kilobytes are read in one go each: by the first letter, few words are compared.
    static INDEX: OnceLock<Index> = OnceLock::new();
    let index = INDEX.get_or_init(Index::new);
    let mut best = CAUSES.len();
    for at in 0..text.len() {
        let rest = &text.as_bytes()[at..];
        for &(cause, words) in &index.by_first[usize::from(rest[0])] {
            if cause >= best {
                break;
            }
            if rest.starts_with(words.as_bytes()) {
                best = cause;
            }
        }
    }
    CAUSES.get(best)
}

/// Words by their first letter, in the order of their causes.
struct Index {
    by_first: Vec<Vec<(usize, &'static str)>>,
}

impl Index {
    fn new() -> Self {
        let mut by_first = vec![Vec::new(); 256];
        for (number, cause) in CAUSES.iter().enumerate() {
            for words in cause.words {
                by_first[usize::from(words.as_bytes()[0])].push((number, *words));
            }
        }
        Self { by_first }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_are_in_small_letters_and_stand_once() {
        let mut all: Vec<&str> = CAUSES.iter().flat_map(|cause| cause.words).copied().collect();
        for words in &all {
            assert!(words.len() > 5 && *words == words.to_ascii_lowercase(), "{words}");
        }
        all.sort_unstable();
        let count = all.len();
        all.dedup();
        assert_eq!(all.len(), count);
    }

    #[test]
    fn every_word_tells_of_its_cause_or_of_one_that_comes_before() {
        for (number, expected) in CAUSES.iter().enumerate() {
            for words in expected.words {
                let text = format!("Database Error in model x\n  {}!", words.to_uppercase());
                let found = cause(&text).unwrap();
                let place = CAUSES.iter().position(|known| known == found).unwrap();
                assert!(place <= number, "{words}");
                if place < number {
                    // One word within another is fine where both say the same about the next time.
                    assert!(
                        found.verdict != Verdict::Permanent || expected.verdict == Verdict::Permanent,
                        "{words}: {}",
                        found.what
                    );
                }
            }
        }
        assert_eq!(cause("Runtime Error\n  something else"), None);
        assert_eq!(cause(""), None);
    }

    /// The slow and plain way to the same answer.
    #[test]
    fn the_first_cause_that_matches_is_the_cause() {
        let texts = [
            "deadlock, and permission denied, and timeout",
            "timeout: relation does not exist",
            "connection refused: timed out",
            "Müller sagt: Connection Reset ☃",
        ];
        for text in texts {
            let lower = text.to_lowercase();
            let plain = CAUSES.iter().find(|cause| cause.words.iter().any(|words| lower.contains(words)));
            assert_eq!(cause(text), plain, "{text}");
        }
    }
}
