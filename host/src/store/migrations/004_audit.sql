-- Events of the host itself have the subject `host`.

-- Who did what: a projection of the events, which outlives the runs that they are of.
CREATE TABLE audit (
    -- That of the event.
    id INTEGER PRIMARY KEY,
    at INTEGER NOT NULL,
    user TEXT NOT NULL,
    via TEXT,
    action TEXT NOT NULL,
    object TEXT NOT NULL,
    detail TEXT NOT NULL
) STRICT;
CREATE INDEX audit_of_user ON audit (user, id);
CREATE INDEX audit_of_action ON audit (action, id);

-- Folds of the events of tokens: nothing by which one could log in.
CREATE TABLE token (
    name TEXT PRIMARY KEY,
    role TEXT NOT NULL,
    digest TEXT NOT NULL,
    session TEXT NOT NULL,
    created_at INTEGER NOT NULL,
    rotated_at INTEGER
) STRICT;

-- What is still known of who did what before there was a trail of it.
INSERT INTO audit (id, at, user, via, action, object, detail)
SELECT id, at, body ->> '$.request.launch.user', body ->> '$.request.launch.via',
    iif(body ->> '$.request.resumes' IS NULL, 'run.launch', 'run.resume'), 'run:' || run_id,
    json_object('project', body ->> '$.request.project', 'job', body ->> '$.request.job',
        'steps', json(body -> '$.request.steps'), 'resumes', body ->> '$.request.resumes',
        'reason', body ->> '$.request.launch.reason')
FROM event
WHERE kind = 'run_requested' AND body ->> '$.request.launch.via' NOT IN ('schedule', 'after', 'sensor', 'resume');

INSERT INTO audit (id, at, user, via, action, object, detail)
SELECT id, at, body ->> '$.by', NULL, 'run.cancel', 'run:' || run_id, '{}'
FROM event
WHERE kind = 'cancel_requested' AND body ->> '$.by' NOT LIKE 'schedule of %'
    AND body ->> '$.by' NOT LIKE 'after of %' AND body ->> '$.by' NOT LIKE 'sensor of %';

INSERT INTO audit (id, at, user, via, action, object, detail)
SELECT id, at, body ->> '$.by', NULL, iif(kind = 'job_paused', 'job.pause', 'job.resume'), 'job:' || job, '{}'
FROM event WHERE kind IN ('job_paused', 'job_resumed');

INSERT INTO audit (id, at, user, via, action, object, detail)
SELECT id, at, body ->> '$.by', NULL, 'alert.snooze', subject, json_object('until', body ->> '$.until')
FROM event WHERE kind = 'alert_snoozed';
