-- Nonces of writes, so that a replayed write is refused after a crash as well.
-- The time that a request signed leads the key: a replay bears the same one, inserts stay together, and
-- what is too old is one range.
CREATE TABLE nonces (
    signed_at INTEGER NOT NULL,
    digest BLOB NOT NULL,
    PRIMARY KEY (signed_at, digest)
) STRICT, WITHOUT ROWID;

PRAGMA user_version = 2;
