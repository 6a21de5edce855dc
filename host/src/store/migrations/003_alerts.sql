-- Events of plugins, alerts and assets beside those of runs and jobs: `plugin:NAME`, `alert:NAME`, `asset:PROJECT:UNIQUE_ID`.
ALTER TABLE event ADD COLUMN subject TEXT;
CREATE INDEX event_of_subject ON event (subject, id) WHERE subject IS NOT NULL;

-- Folds of the events of plugins: what each plugin of the folder is, and why a newer file was refused.
CREATE TABLE plugin (
    name TEXT PRIMARY KEY,
    body TEXT NOT NULL
) STRICT;

-- What plugins were asked, and what they answered: a record for people and for replays, no truth of anything.
CREATE TABLE plugin_call (
    id INTEGER PRIMARY KEY AUTOINCREMENT,
    at INTEGER NOT NULL,
    kind TEXT NOT NULL,
    name TEXT NOT NULL,
    version TEXT NOT NULL,
    digest TEXT NOT NULL,
    -- What it was about, such as an attempt.
    subject TEXT NOT NULL,
    -- JSON, compressed.
    input BLOB NOT NULL,
    answer TEXT,
    micros INTEGER NOT NULL,
    peak_memory INTEGER NOT NULL,
    verdict TEXT NOT NULL
) STRICT;
CREATE INDEX plugin_call_of_plugin ON plugin_call (name, id);

-- Folds of the events of alerts: what each has told of, and until when it is snoozed.
CREATE TABLE alert (
    name TEXT PRIMARY KEY,
    body TEXT NOT NULL
) STRICT;

-- The outbox: what is to be told, written together with what it tells of.
CREATE TABLE notification (
    -- That of the event.
    id INTEGER PRIMARY KEY,
    alert TEXT NOT NULL,
    kind TEXT NOT NULL,
    at INTEGER NOT NULL,
    run_id INTEGER,
    -- `pending`, `rendered`, `failed` or `suppressed`.
    state TEXT NOT NULL,
    body TEXT NOT NULL
) STRICT;
CREATE INDEX notification_by_state ON notification (state) WHERE state = 'pending';
CREATE INDEX notification_of_run ON notification (run_id) WHERE run_id IS NOT NULL;

-- What is sent where for it.
CREATE TABLE delivery (
    id INTEGER PRIMARY KEY AUTOINCREMENT,
    notification INTEGER NOT NULL REFERENCES notification (id) ON DELETE CASCADE,
    -- The same at each try.
    idempotency_key TEXT NOT NULL UNIQUE,
    destination TEXT NOT NULL,
    -- `pending`, `delivered` or `failed`.
    state TEXT NOT NULL,
    tries INTEGER NOT NULL,
    next_at INTEGER,
    body TEXT NOT NULL
) STRICT;
CREATE INDEX delivery_by_state ON delivery (state) WHERE state = 'pending';
CREATE INDEX delivery_of_notification ON delivery (notification);

-- History of sources: what each `dbt source freshness` found. It outlives the runs.
CREATE TABLE source_freshness (
    run_id INTEGER NOT NULL,
    step INTEGER NOT NULL,
    attempt INTEGER NOT NULL,
    project TEXT NOT NULL,
    unique_id TEXT NOT NULL,
    at INTEGER NOT NULL,
    state TEXT NOT NULL,
    max_loaded_at INTEGER,
    -- Seconds between the newest row and the look at it.
    age REAL,
    body TEXT NOT NULL,
    PRIMARY KEY (project, unique_id, run_id, step, attempt)
) STRICT;
CREATE INDEX source_freshness_by_time ON source_freshness (project, unique_id, at, run_id, step, attempt);

-- Folds of the events of assets: whether those that have to be fresh are.
CREATE TABLE asset_freshness (
    project TEXT NOT NULL,
    unique_id TEXT NOT NULL,
    body TEXT NOT NULL,
    PRIMARY KEY (project, unique_id)
) STRICT;
