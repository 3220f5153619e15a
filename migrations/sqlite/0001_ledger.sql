-- Flows, executions and their events. Times are milliseconds since 1970 in UTC.

CREATE TABLE flows (
    id INTEGER PRIMARY KEY,
    name TEXT NOT NULL,
    uuid TEXT NOT NULL,
    description TEXT NOT NULL,
    kind TEXT NOT NULL,
    role_arn TEXT,
    execution_mode TEXT NOT NULL,
    environment TEXT,
    external_storage_location TEXT,
    resource_group_id TEXT,
    created_at INTEGER NOT NULL,
    modified_at INTEGER NOT NULL,
    deleted_at INTEGER
) STRICT;

-- A name may be used again once its flow is deleted.
CREATE UNIQUE INDEX flows_name ON flows (name) WHERE deleted_at IS NULL;

-- The versions of a flow's definition; the newest is current. An execution keeps the one that it started with.
CREATE TABLE definitions (
    id INTEGER PRIMARY KEY,
    flow INTEGER NOT NULL REFERENCES flows (id),
    text TEXT NOT NULL
) STRICT;

CREATE INDEX definitions_flow ON definitions (flow);

CREATE TABLE executions (
    id INTEGER PRIMARY KEY,
    flow INTEGER NOT NULL REFERENCES flows (id),
    name TEXT NOT NULL,
    status TEXT NOT NULL,
    last_event_id INTEGER NOT NULL,
    -- Sum of the bytes of its events' json, one more for each.
    history_bytes INTEGER NOT NULL,
    started_at INTEGER NOT NULL,
    stopped_at INTEGER,
    definition INTEGER NOT NULL, -- no REFERENCES: checking it would need one more index
    input TEXT NOT NULL,
    output TEXT,
    -- The flow's environment when the execution started.
    environment TEXT,
    UNIQUE (flow, name)
) STRICT;

-- A rowid table with an index: WITHOUT ROWID would move rows larger than a quarter of a page to overflow pages.
CREATE TABLE events (
    flow INTEGER NOT NULL,
    execution INTEGER NOT NULL,
    event_id INTEGER NOT NULL,
    -- The event exactly as GetExecutionHistory answers it.
    json TEXT NOT NULL,
    -- CRC-32 of flow, execution and event_id (8 bytes each, little-endian) and json.
    checksum INTEGER NOT NULL
) STRICT;

-- A page is a range of it; the events of a deleted flow are its range by the first column.
CREATE UNIQUE INDEX events_by_execution ON events (flow, execution, event_id);

-- For people: the fields of every event as columns.
CREATE VIEW readable_events AS
SELECT
    f.name AS flow,
    x.name AS execution,
    e.event_id,
    e.json ->> '$.Type' AS type,
    e.json ->> '$.Time' AS time,
    e.json ->> '$.ScheduleEventId' AS schedule_event_id,
    e.json ->> '$.StepName' AS step_name,
    e.json ->> '$.EventDetail' AS event_detail
FROM flows f
JOIN executions x ON x.flow = f.id
JOIN events e ON e.flow = f.id AND e.execution = x.id
WHERE f.deleted_at IS NULL;

PRAGMA application_id = 0x464C4447; -- FLDG
PRAGMA user_version = 1;
