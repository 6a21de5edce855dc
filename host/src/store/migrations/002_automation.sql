-- Events of jobs beside those of runs: what their triggers are, and what these decided.
CREATE TABLE event_2 (
    id INTEGER PRIMARY KEY AUTOINCREMENT,
    -- One of the two.
    run_id INTEGER,
    job TEXT,
    at INTEGER NOT NULL,
    kind TEXT NOT NULL,
    body TEXT NOT NULL
) STRICT;
INSERT INTO event_2 (id, run_id, at, kind, body) SELECT id, run_id, at, kind, body FROM event;
-- Ids are never used again, those of forgotten runs included.
UPDATE sqlite_sequence SET seq = (SELECT seq FROM sqlite_sequence WHERE name = 'event') WHERE name = 'event_2'
    AND EXISTS (SELECT 1 FROM sqlite_sequence WHERE name = 'event');
INSERT INTO sqlite_sequence (name, seq) SELECT 'event_2', seq FROM sqlite_sequence
    WHERE name = 'event' AND NOT EXISTS (SELECT 1 FROM sqlite_sequence WHERE name = 'event_2');
DROP TABLE event;
ALTER TABLE event_2 RENAME TO event;
CREATE INDEX event_of_run ON event (run_id, id) WHERE run_id IS NOT NULL;
CREATE INDEX event_of_job ON event (job, id) WHERE job IS NOT NULL;
CREATE INDEX event_of_end ON event (id) WHERE kind IN ('run_finished', 'run_refused');

-- Folds of the events of jobs.
CREATE TABLE automation (
    job TEXT PRIMARY KEY,
    body TEXT NOT NULL
) STRICT;

CREATE TABLE tick (
    -- That of the event.
    id INTEGER PRIMARY KEY,
    job TEXT NOT NULL,
    trigger TEXT NOT NULL,
    at INTEGER NOT NULL,
    due INTEGER NOT NULL,
    count INTEGER NOT NULL,
    run_id INTEGER,
    reason TEXT NOT NULL
) STRICT;
CREATE INDEX tick_of_job ON tick (job, id);

-- Runs go by priority: what is newest is what happened last, and not what has the highest number.
ALTER TABLE node_run ADD COLUMN at INTEGER;
UPDATE node_run SET at = coalesce(finished_at, (SELECT started_at FROM run WHERE id = run_id));
DROP INDEX node_run_by_node;
CREATE INDEX node_run_by_node ON node_run (unique_id, at, run_id, step, attempt) WHERE tells;
CREATE INDEX materialization_by_time ON materialization (project, unique_id, at, run_id, step, attempt);
CREATE INDEX check_result_by_time ON check_result (project, unique_id, at, run_id, step, attempt);
