-- no-transaction
-- What listing executions and reporting tasks need.

-- Newest first, all of a flow or those of one status.
CREATE INDEX IF NOT EXISTS executions_newest ON executions (flow, started_at, id);
CREATE INDEX IF NOT EXISTS executions_by_status ON executions (flow, status, started_at, id);

-- Tasks that have ended: the events that a TaskSucceeded, TaskFailed or TaskTimedOut names as its cause.
CREATE TABLE IF NOT EXISTS ended_tasks (
    flow UUID NOT NULL,
    execution UUID NOT NULL,
    event_id BIGINT NOT NULL,
    -- As that of the events.
    start_day BIGINT NOT NULL,
    PRIMARY KEY (flow, execution, event_id, start_day)
);

-- One row: the key that signs task tokens. A token is worth nothing without an access key.
CREATE TABLE IF NOT EXISTS task_key (
    one BIGINT PRIMARY KEY,
    key TEXT NOT NULL
);

INSERT INTO task_key (one, key) VALUES (1, gen_random_uuid()::TEXT || gen_random_uuid()::TEXT) ON CONFLICT DO NOTHING;
