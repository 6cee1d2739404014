-- How far a session was that has ended, under the hash of the name by which its client asks for it. `number` ascends with
-- the order in which they were kept, so that the oldest can be told without counting.
CREATE TABLE trails (
    number     INTEGER PRIMARY KEY,
    pid_hash   BLOB NOT NULL UNIQUE,
    user_id    INTEGER NOT NULL,
    expires_at INTEGER NOT NULL,
    trail      BLOB NOT NULL
) STRICT;
CREATE INDEX trails_of_user ON trails (user_id, number);
CREATE INDEX trails_by_end ON trails (expires_at);
