-- A message's `place` holds its room and its seq in one integer: slot << 36 | seq. So one B-tree keeps each room's
-- messages together and in order, and an append is one insertion and touches nothing else: a room's head is the place
-- of its last message. `rooms.seq` is only the least that the head can be, written when members or retention change
-- the row anyway; it keeps the head when no message is left. Slots are never reused.

CREATE TABLE users (
    id            INTEGER PRIMARY KEY,
    handle        TEXT NOT NULL UNIQUE,
    nickname      TEXT NOT NULL,
    nick_en       TEXT,
    nick_ko       TEXT,
    nick_ja       TEXT,
    profile_img   TEXT,
    profile_thumb TEXT,
    region        TEXT,
    language      TEXT,
    gender        TEXT,
    public_token  TEXT NOT NULL,
    ban_reason    TEXT,
    banned_at     INTEGER,
    last_seen     INTEGER,
    created_at    INTEGER NOT NULL
) STRICT;

CREATE TABLE blocks (
    user_id  INTEGER NOT NULL,
    other_id INTEGER NOT NULL,
    PRIMARY KEY (user_id, other_id)
) STRICT, WITHOUT ROWID;

CREATE TABLE member_tokens (
    hash       BLOB NOT NULL PRIMARY KEY,
    user_id    INTEGER NOT NULL,
    expires_at INTEGER,
    created_at INTEGER NOT NULL
) STRICT, WITHOUT ROWID;
CREATE INDEX member_tokens_of_user ON member_tokens (user_id);

CREATE TABLE revocations (
    jti        TEXT NOT NULL PRIMARY KEY,
    expires_at INTEGER NOT NULL
) STRICT, WITHOUT ROWID;

CREATE TABLE rooms (
    slot            INTEGER PRIMARY KEY AUTOINCREMENT,
    id              INTEGER NOT NULL UNIQUE,
    name            TEXT UNIQUE,
    token           BLOB NOT NULL UNIQUE,
    kind            TEXT NOT NULL,
    visibility      TEXT NOT NULL,
    membership      TEXT NOT NULL,
    max_members     INTEGER NOT NULL,
    members_count   INTEGER NOT NULL,
    members_version INTEGER NOT NULL,
    seq             INTEGER NOT NULL,
    first_seq       INTEGER NOT NULL,
    epoch           INTEGER NOT NULL,
    created_at      INTEGER NOT NULL
) STRICT;

CREATE TABLE members (
    slot       INTEGER NOT NULL,
    user_id    INTEGER NOT NULL,
    role       TEXT NOT NULL,
    joined_seq INTEGER NOT NULL,
    read_seq   INTEGER NOT NULL,
    joined_at  INTEGER NOT NULL,
    PRIMARY KEY (slot, user_id)
) STRICT, WITHOUT ROWID;
CREATE INDEX members_of_user ON members (user_id, slot, joined_seq);

CREATE TABLE messages (
    place           INTEGER PRIMARY KEY,
    id              BLOB NOT NULL,
    sender          INTEGER NOT NULL,
    kind            INTEGER NOT NULL,
    created_at      INTEGER NOT NULL,
    members_version INTEGER NOT NULL,
    reply_to        BLOB,
    client_id       TEXT,
    metadata        TEXT,
    content         TEXT NOT NULL
) STRICT;
CREATE UNIQUE INDEX messages_by_client_id ON messages (place >> 36, sender, client_id) WHERE client_id IS NOT NULL;

CREATE TABLE counters (
    name TEXT NOT NULL PRIMARY KEY,
    next INTEGER NOT NULL
) STRICT, WITHOUT ROWID;
INSERT INTO counters (name, next) VALUES ('user', 1), ('room', 1), ('call', 1);

CREATE TABLE audit (
    id     INTEGER PRIMARY KEY AUTOINCREMENT,
    at     INTEGER NOT NULL,
    actor  TEXT NOT NULL,
    action TEXT NOT NULL,
    object TEXT NOT NULL,
    detail TEXT
) STRICT;

CREATE TABLE answers (
    principal    TEXT NOT NULL,
    key          TEXT NOT NULL,
    request_hash BLOB NOT NULL,
    status       INTEGER NOT NULL,
    body         BLOB NOT NULL,
    at           INTEGER NOT NULL,
    PRIMARY KEY (principal, key)
) STRICT, WITHOUT ROWID;
CREATE INDEX answers_by_age ON answers (at);
