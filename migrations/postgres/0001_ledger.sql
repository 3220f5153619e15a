-- no-transaction
-- Flows, executions and their events. Times are milliseconds since 1970 in UTC.
--
-- Keys are hashes, not numbers: `flow` of a flow's incarnation, `execution` of that and the execution's name. Every
-- process computes them, and on Citus, which distributes by `execution`, a page is one range of one shard.

CREATE TABLE IF NOT EXISTS flows (
    -- As bytes: the order of TEXT depends on the language of the database.
    name BYTEA PRIMARY KEY,
    -- A flow that is created again under the same name gets another one.
    flow UUID NOT NULL,
    uuid TEXT NOT NULL,
    -- The current one of its definitions.
    definition UUID NOT NULL,
    description TEXT NOT NULL,
    kind TEXT NOT NULL,
    role_arn TEXT,
    execution_mode TEXT NOT NULL,
    environment TEXT,
    external_storage_location TEXT,
    resource_group_id TEXT,
    created_at BIGINT NOT NULL,
    modified_at BIGINT NOT NULL
);

-- The versions of a flow's definition. An execution keeps the one that it started with.
CREATE TABLE IF NOT EXISTS definitions (
    flow UUID NOT NULL,
    -- Hash of the text.
    definition UUID NOT NULL,
    text TEXT NOT NULL,
    PRIMARY KEY (flow, definition)
);

-- An append does not change this row, unless it ends the execution.
CREATE TABLE IF NOT EXISTS executions (
    flow UUID NOT NULL,
    execution UUID NOT NULL,
    -- Grows with the time of the insert: the order of executions that started in the same millisecond.
    id UUID NOT NULL,
    name TEXT NOT NULL,
    status TEXT NOT NULL,
    started_at BIGINT NOT NULL,
    stopped_at BIGINT,
    definition UUID NOT NULL,
    input TEXT NOT NULL,
    output TEXT,
    -- The flow's environment when the execution started.
    environment TEXT,
    PRIMARY KEY (flow, execution)
);

CREATE TABLE IF NOT EXISTS events (
    flow UUID NOT NULL,
    execution UUID NOT NULL,
    event_id BIGINT NOT NULL,
    -- Day of the execution's start, counted from 1970. The same for all of its events, and last in the key: a table
    -- that is partitioned by it needs it there, and no read has to know it.
    start_day BIGINT NOT NULL,
    -- The event exactly as GetExecutionHistory answers it. JSONB would change its bytes.
    json TEXT NOT NULL,
    -- CRC-32 of flow, execution (16 bytes each), event_id (8 bytes, little-endian) and json.
    checksum BIGINT NOT NULL,
    PRIMARY KEY (flow, execution, event_id, start_day)
);

-- Deleted flows whose rows are still to be purged.
CREATE TABLE IF NOT EXISTS deleted_flows (
    flow UUID PRIMARY KEY,
    deleted_at BIGINT NOT NULL
);
