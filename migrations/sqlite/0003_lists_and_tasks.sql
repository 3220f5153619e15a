-- What listing executions and reporting tasks need.

-- Newest first, all of a flow or those of one status.
CREATE INDEX executions_newest ON executions (flow, started_at, id);
CREATE INDEX executions_by_status ON executions (flow, status, started_at, id);

-- Deleted flows whose rows are still to be purged.
CREATE INDEX flows_deleted ON flows (deleted_at) WHERE deleted_at IS NOT NULL;

-- Tasks that have ended: the events that a TaskSucceeded, TaskFailed or TaskTimedOut names as its cause.
CREATE TABLE ended_tasks (
    flow INTEGER NOT NULL,
    execution INTEGER NOT NULL,
    event_id INTEGER NOT NULL,
    PRIMARY KEY (flow, execution, event_id)
) STRICT, WITHOUT ROWID;

INSERT INTO ended_tasks (flow, execution, event_id)
SELECT flow, execution, json ->> '$.ScheduleEventId'
FROM events
WHERE json ->> '$.Type' IN ('TaskSucceeded', 'TaskFailed', 'TaskTimedOut')
ON CONFLICT DO NOTHING;

-- One row: the key that signs task tokens. A token is worth nothing without an access key.
CREATE TABLE task_key (key TEXT NOT NULL) STRICT;
INSERT INTO task_key (key) VALUES (lower(hex(randomblob(32))));

PRAGMA user_version = 3;
