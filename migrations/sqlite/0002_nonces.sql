-- Nonces of writes, so that a replayed write is refused after a crash too.
-- The signed time leads the key: a replay has the same one, inserts stay together, and the oldest come first.
CREATE TABLE nonces (
    signed_at INTEGER NOT NULL,
    digest BLOB NOT NULL,
    -- When it was stored, as `minute` of `incarnation` says: it ages while a server runs.
    minute INTEGER NOT NULL,
    PRIMARY KEY (signed_at, digest)
) STRICT, WITHOUT ROWID;

-- One row: which database this is.
CREATE TABLE incarnation (
    -- Random. A copy that is served, or a backup that is restored, gets another one.
    id TEXT NOT NULL,
    -- Minutes in which servers wrote, since the database was created; each start and stop counts too.
    minute INTEGER NOT NULL,
    -- 1 after a stop in good order: then no write-ahead log belongs to the file.
    stopped INTEGER NOT NULL,
    -- Writes that were signed at or before this time (milliseconds since 1970) are refused: their nonces may be
    -- forgotten, or in another copy.
    refused_until INTEGER NOT NULL
) STRICT;
INSERT INTO incarnation (id, minute, stopped, refused_until) VALUES (lower(hex(randomblob(16))), 0, 0, 0);

PRAGMA user_version = 2;
