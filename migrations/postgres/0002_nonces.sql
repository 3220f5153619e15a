-- no-transaction
-- Nonces of writes, so that a replayed write is refused by every process, and after a crash too.
-- The signed time leads the key: a replay has the same one, inserts stay together, and the oldest come first.
CREATE TABLE IF NOT EXISTS nonces (
    signed_at BIGINT NOT NULL,
    digest UUID NOT NULL,
    -- When it was stored, by the running time of the process that stored it.
    stored_at BIGINT NOT NULL,
    PRIMARY KEY (signed_at, digest)
);

-- One row, as `task_key`.
CREATE TABLE IF NOT EXISTS forgotten_nonces (
    one BIGINT PRIMARY KEY,
    -- Writes that were signed at or before this time are refused: their nonces may be deleted.
    refused_until BIGINT NOT NULL
);

INSERT INTO forgotten_nonces (one, refused_until) VALUES (1, 0) ON CONFLICT DO NOTHING;
