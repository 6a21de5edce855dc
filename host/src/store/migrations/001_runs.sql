-- Times are microseconds since the epoch, UTC. Bodies are JSON; what is searched for has a column of its own.

-- The truth: each change of a run's state, append-only. Ids are never used again.
CREATE TABLE event (
    id INTEGER PRIMARY KEY AUTOINCREMENT,
    run_id INTEGER NOT NULL,
    at INTEGER NOT NULL,
    kind TEXT NOT NULL,
    body TEXT NOT NULL
) STRICT;
CREATE INDEX event_of_run ON event (run_id, id);

-- Folds of the events.
CREATE TABLE run (
    id INTEGER PRIMARY KEY AUTOINCREMENT,
    request_key TEXT NOT NULL UNIQUE,
    project TEXT NOT NULL,
    job TEXT,
    state TEXT NOT NULL,
    requested_at INTEGER NOT NULL,
    started_at INTEGER,
    finished_at INTEGER,
    body TEXT NOT NULL
) STRICT;
CREATE INDEX run_by_state ON run (state);
CREATE INDEX run_by_job ON run (job);
CREATE INDEX run_by_end ON run (finished_at) WHERE finished_at IS NOT NULL;

CREATE TABLE node_run (
    run_id INTEGER NOT NULL REFERENCES run (id) ON DELETE CASCADE,
    step INTEGER NOT NULL,
    attempt INTEGER NOT NULL,
    unique_id TEXT NOT NULL,
    state TEXT NOT NULL,
    -- Whether it says where the asset or check stands.
    tells INTEGER NOT NULL,
    finished_at INTEGER,
    body TEXT NOT NULL,
    PRIMARY KEY (run_id, step, attempt, unique_id)
) STRICT;
CREATE INDEX node_run_by_node ON node_run (unique_id, run_id, step, attempt) WHERE tells;
CREATE INDEX node_run_by_state ON node_run (run_id, step, attempt, state);

-- History of assets and checks: it outlives the runs.
CREATE TABLE materialization (
    run_id INTEGER NOT NULL,
    step INTEGER NOT NULL,
    attempt INTEGER NOT NULL,
    project TEXT NOT NULL,
    unique_id TEXT NOT NULL,
    at INTEGER NOT NULL,
    state TEXT NOT NULL,
    execution_time REAL,
    rows_affected INTEGER,
    relation_name TEXT,
    PRIMARY KEY (project, unique_id, run_id, step, attempt)
) STRICT;

CREATE TABLE check_result (
    run_id INTEGER NOT NULL,
    step INTEGER NOT NULL,
    attempt INTEGER NOT NULL,
    project TEXT NOT NULL,
    unique_id TEXT NOT NULL,
    at INTEGER NOT NULL,
    state TEXT NOT NULL,
    failures INTEGER,
    message TEXT,
    PRIMARY KEY (project, unique_id, run_id, step, attempt)
) STRICT;
