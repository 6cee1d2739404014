-- The schema of version 1. Times are milliseconds since 1970 as the callers gave them, whatever they are; lists and objects
-- are JSON in TEXT, because what is kept is read again as the very same bytes, which JSONB does not promise. What is
-- looked up or ordered is so by its bytes: hence COLLATE "C". There are no foreign keys: users and rooms are never
-- deleted, and whoever deletes a device deletes what is its own.

CREATE TABLE users (
    id            BIGINT PRIMARY KEY,
    handle        TEXT COLLATE "C" NOT NULL UNIQUE,
    nickname      TEXT NOT NULL,
    nick          TEXT NOT NULL DEFAULT '{}',
    profile_img   TEXT,
    profile_thumb TEXT,
    region        TEXT,
    language      TEXT,
    gender        TEXT,
    public_token  TEXT COLLATE "C" NOT NULL UNIQUE,
    ban_reason    TEXT,
    banned_at     BIGINT,
    last_seen     BIGINT,
    created_at    BIGINT NOT NULL
) WITH (fillfactor = 85);

CREATE TABLE blocks (
    user_id  BIGINT NOT NULL,
    other_id BIGINT NOT NULL,
    PRIMARY KEY (user_id, other_id)
);

CREATE TABLE member_tokens (
    hash       BYTEA PRIMARY KEY,
    user_id    BIGINT NOT NULL,
    expires_at BIGINT,
    created_at BIGINT NOT NULL
);
CREATE INDEX member_tokens_of_user ON member_tokens (user_id);

CREATE TABLE revocations (
    jti        TEXT COLLATE "C" PRIMARY KEY,
    expires_at BIGINT NOT NULL
);
CREATE INDEX revocations_by_end ON revocations (expires_at);

-- A room's row is its lock: whoever appends, joins, leaves or deletes old messages has it. `seq` is the room's head. No
-- index is on what an append changes, so that the new row stays on its page.
CREATE TABLE rooms (
    id              BIGINT PRIMARY KEY,
    name            TEXT COLLATE "C" UNIQUE,
    token           BYTEA NOT NULL UNIQUE,
    kind            TEXT NOT NULL,
    visibility      TEXT NOT NULL,
    membership      TEXT NOT NULL,
    max_members     BIGINT NOT NULL,
    members_count   BIGINT NOT NULL,
    members_version BIGINT NOT NULL,
    seq             BIGINT NOT NULL,
    first_seq       BIGINT NOT NULL,
    epoch           BIGINT NOT NULL,
    created_at      BIGINT NOT NULL
) WITH (fillfactor = 60);
-- The rooms whose memberships end with the member's last session are few among many, and looked for again and again.
CREATE INDEX session_rooms ON rooms (id) WHERE membership = 'session';

CREATE TABLE members (
    room       BIGINT NOT NULL,
    user_id    BIGINT NOT NULL,
    role       TEXT NOT NULL,
    joined_seq BIGINT NOT NULL,
    read_seq   BIGINT NOT NULL,
    joined_at  BIGINT NOT NULL,
    PRIMARY KEY (room, user_id)
) WITH (fillfactor = 85);
CREATE INDEX members_of_user ON members (user_id, room);

CREATE TABLE messages (
    room            BIGINT NOT NULL,
    seq             BIGINT NOT NULL,
    id              UUID NOT NULL,
    sender          BIGINT NOT NULL,
    kind            TEXT NOT NULL,
    created_at      BIGINT NOT NULL,
    members_version BIGINT NOT NULL,
    reply_to        UUID,
    client_id       TEXT COLLATE "C",
    metadata        TEXT,
    content         TEXT NOT NULL,
    PRIMARY KEY (room, seq)
);
CREATE UNIQUE INDEX messages_by_client_id ON messages (room, sender, client_id) WHERE client_id IS NOT NULL;
-- Ids ascend with time, so that an append finds its place in this index at its end.
CREATE INDEX messages_by_id ON messages (id);

CREATE TABLE counters (
    name TEXT COLLATE "C" PRIMARY KEY,
    next BIGINT NOT NULL
) WITH (fillfactor = 20);
-- The last is written by whoever asks whether writes are taken, and means nothing.
INSERT INTO counters (name, next) VALUES ('user', 1), ('room', 1), ('call', 1), ('device', 1), ('preset', 1), ('ready', 1);

CREATE TABLE audit (
    id     BIGINT GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    at     BIGINT NOT NULL,
    actor  TEXT NOT NULL,
    action TEXT NOT NULL,
    object TEXT NOT NULL,
    detail TEXT
);

CREATE TABLE answers (
    principal    TEXT COLLATE "C" NOT NULL,
    key          TEXT COLLATE "C" NOT NULL,
    request_hash BYTEA NOT NULL,
    status       INTEGER NOT NULL,
    body         BYTEA NOT NULL,
    at           BIGINT NOT NULL,
    PRIMARY KEY (principal, key)
);
CREATE INDEX answers_by_age ON answers (at);

-- `number` ascends with the order in which they were kept, so that the oldest can be told without counting.
CREATE TABLE trails (
    number     BIGINT GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    pid_hash   BYTEA NOT NULL UNIQUE,
    user_id    BIGINT NOT NULL,
    expires_at BIGINT NOT NULL,
    trail      BYTEA NOT NULL
);
CREATE INDEX trails_of_user ON trails (user_id, number);
CREATE INDEX trails_by_end ON trails (expires_at);

-- A device's row is its lock: whoever begins or ends its session, orders, or moves its commands, lease or state has it.
CREATE TABLE devices (
    id           TEXT COLLATE "C" PRIMARY KEY,
    client       BIGINT NOT NULL UNIQUE,
    kind         TEXT COLLATE "C" NOT NULL,
    version      TEXT,
    capabilities TEXT NOT NULL,
    session      UUID,
    node         TEXT COLLATE "C",
    boot         BIGINT,
    since        BIGINT,
    last_seen    BIGINT,
    created_at   BIGINT NOT NULL
) WITH (fillfactor = 85);
CREATE INDEX devices_of_node ON devices (node) WHERE node IS NOT NULL;
CREATE INDEX devices_of_kind ON devices (kind, id);

-- The last epoch of an id; stays when the device goes.
CREATE TABLE device_epochs (
    device TEXT COLLATE "C" PRIMARY KEY,
    epoch  BIGINT NOT NULL
) WITH (fillfactor = 85);

CREATE TABLE enrolments (
    number     BIGINT GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    hash       BYTEA NOT NULL UNIQUE,
    device     TEXT COLLATE "C" NOT NULL,
    expires_at BIGINT
);
CREATE INDEX enrolments_of_device ON enrolments (device, number);

-- `number` ascends with the order in which a device's were recorded. `ends_by` is NULL for those that have ended.
CREATE TABLE commands (
    number       BIGINT GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    id           UUID NOT NULL UNIQUE,
    device       TEXT COLLATE "C" NOT NULL,
    name         TEXT NOT NULL,
    args         TEXT NOT NULL,
    target       TEXT,
    pace         TEXT NOT NULL,
    if_offline   TEXT NOT NULL,
    by           TEXT NOT NULL,
    from_address TEXT,
    at           BIGINT NOT NULL,
    deadline     BIGINT NOT NULL,
    execution_ms BIGINT NOT NULL,
    state        TEXT NOT NULL,
    since        BIGINT NOT NULL,
    epoch        BIGINT NOT NULL,
    ends_by      BIGINT,
    result       TEXT,
    error        TEXT,
    late         TEXT,
    history      TEXT NOT NULL
) WITH (fillfactor = 70);
CREATE INDEX commands_of_device ON commands (device, number);
CREATE INDEX open_commands ON commands (device, number) WHERE ends_by IS NOT NULL;
CREATE INDEX commands_by_end ON commands (ends_by, number) WHERE ends_by IS NOT NULL;

-- A caller's own names for commands. A key whose command is gone stands for nothing.
CREATE TABLE command_keys (
    by      TEXT COLLATE "C" NOT NULL,
    key     TEXT COLLATE "C" NOT NULL,
    hash    BYTEA NOT NULL,
    command UUID NOT NULL,
    at      BIGINT NOT NULL,
    PRIMARY KEY (by, key)
);
CREATE INDEX command_keys_by_age ON command_keys (at);

-- The last lease of a device; stays when it is over, and when the device goes, for its fence. `open` is false once it
-- was released or ended.
CREATE TABLE leases (
    device        TEXT COLLATE "C" PRIMARY KEY,
    holder        TEXT NOT NULL,
    fence         BIGINT NOT NULL,
    since         BIGINT NOT NULL,
    expires_at    BIGINT NOT NULL,
    at_lapse      TEXT,
    at_lapse_args TEXT,
    open          BOOLEAN NOT NULL
);
CREATE INDEX open_leases ON leases (expires_at) WHERE open;

-- A device without a row here has an empty state of version 0.
CREATE TABLE shadows (
    device           TEXT COLLATE "C" PRIMARY KEY,
    version          BIGINT NOT NULL,
    reported_version BIGINT
) WITH (fillfactor = 70);

CREATE TABLE desired (
    device     TEXT COLLATE "C" NOT NULL,
    key        TEXT COLLATE "C" NOT NULL,
    value      TEXT NOT NULL,
    at         BIGINT NOT NULL,
    by         TEXT NOT NULL,
    expires_at BIGINT,
    command    UUID,
    PRIMARY KEY (device, key)
);
CREATE INDEX desired_by_command ON desired (command) WHERE command IS NOT NULL;

CREATE TABLE reported (
    device TEXT COLLATE "C" NOT NULL,
    key    TEXT COLLATE "C" NOT NULL,
    value  TEXT NOT NULL,
    at     BIGINT NOT NULL,
    PRIMARY KEY (device, key)
);

-- Which program runs on which display. The displays need not be known. Ids are counted, never given again.
CREATE TABLE presets (
    id         BIGINT PRIMARY KEY,
    name       TEXT COLLATE "C" NOT NULL UNIQUE,
    created_at BIGINT NOT NULL,
    updated_at BIGINT NOT NULL
);

CREATE TABLE preset_displays (
    preset  BIGINT NOT NULL,
    device  TEXT COLLATE "C" NOT NULL,
    program TEXT NOT NULL,
    PRIMARY KEY (preset, device)
);
CREATE INDEX presets_of_display ON preset_displays (device);
