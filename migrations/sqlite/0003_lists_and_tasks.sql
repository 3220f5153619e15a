-- What listing executions and reporting tasks need.

-- Newest first, all of a flow or those of one status.
CREATE INDEX executions_newest ON executions (flow, started_at, id);
CREATE INDEX executions_by_status ON executions (flow, status, started_at, id);

-- The flow's environment when the execution started.
ALTER TABLE executions ADD COLUMN environment TEXT;

-- Flows whose rows are still to be deleted.
CREATE INDEX flows_deleted ON flows (deleted_at) WHERE deleted_at IS NOT NULL;

-- Events that a TaskSucceeded, TaskFailed or TaskTimedOut names as its cause: that task is over.
CREATE TABLE ended_tasks (
    execution INTEGER NOT NULL,
    event_id INTEGER NOT NULL,
    PRIMARY KEY (execution, event_id)
) STRICT, WITHOUT ROWID;

INSERT INTO ended_tasks (execution, event_id)
SELECT execution, json ->> '$.ScheduleEventId'
FROM events
WHERE json ->> '$.Type' IN ('TaskSucceeded', 'TaskFailed', 'TaskTimedOut')
ON CONFLICT DO NOTHING;

-- One row: what task tokens are signed with. It opens nothing without an access key.
CREATE TABLE task_key (key TEXT NOT NULL) STRICT;
INSERT INTO task_key (key) VALUES (lower(hex(randomblob(32))));

PRAGMA user_version = 3;
