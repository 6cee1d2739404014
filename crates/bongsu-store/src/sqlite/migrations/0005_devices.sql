-- Devices, their sessions, enrolment tokens, commands, leases and states. Lists and objects are JSON.

CREATE TABLE devices (
    id           TEXT NOT NULL PRIMARY KEY,
    kind         TEXT NOT NULL,
    version      TEXT,
    capabilities TEXT NOT NULL,
    session      BLOB,
    node         TEXT,
    boot         INTEGER,
    since        INTEGER,
    last_seen    INTEGER,
    created_at   INTEGER NOT NULL
) STRICT, WITHOUT ROWID;
CREATE INDEX devices_of_node ON devices (node) WHERE node IS NOT NULL;

-- The last epoch of an id; stays when the device goes.
CREATE TABLE device_epochs (
    device TEXT NOT NULL PRIMARY KEY,
    epoch  INTEGER NOT NULL
) STRICT, WITHOUT ROWID;

CREATE TABLE enrolments (
    number     INTEGER PRIMARY KEY,
    hash       BLOB NOT NULL UNIQUE,
    device     TEXT NOT NULL,
    expires_at INTEGER
) STRICT;
CREATE INDEX enrolments_of_device ON enrolments (device, number);

-- `number` ascends with the order in which they were recorded. `ends_by` is NULL for those that have ended.
CREATE TABLE commands (
    number       INTEGER PRIMARY KEY AUTOINCREMENT,
    id           BLOB NOT NULL UNIQUE,
    device       TEXT NOT NULL,
    name         TEXT NOT NULL,
    args         TEXT,
    target       TEXT,
    pace         TEXT NOT NULL,
    if_offline   TEXT NOT NULL,
    by           TEXT NOT NULL,
    from_address TEXT,
    at           INTEGER NOT NULL,
    deadline     INTEGER NOT NULL,
    execution_ms INTEGER NOT NULL,
    state        TEXT NOT NULL,
    since        INTEGER NOT NULL,
    epoch        INTEGER NOT NULL,
    ends_by      INTEGER,
    result       TEXT,
    error        TEXT,
    late         TEXT,
    history      TEXT NOT NULL
) STRICT;
CREATE INDEX commands_of_device ON commands (device, number);
CREATE INDEX open_commands ON commands (device, number) WHERE ends_by IS NOT NULL;
CREATE INDEX commands_by_end ON commands (ends_by, number) WHERE ends_by IS NOT NULL;

-- Arguments that are long: apart, so that a step, which writes its command's row, does not write them again: of a
-- command whose own row has none.
CREATE TABLE command_args (
    number INTEGER PRIMARY KEY,
    args   TEXT NOT NULL
) STRICT;

-- A caller's own names for commands. A key whose command is gone stands for nothing.
CREATE TABLE command_keys (
    by      TEXT NOT NULL,
    key     TEXT NOT NULL,
    hash    BLOB NOT NULL,
    command BLOB NOT NULL,
    at      INTEGER NOT NULL,
    PRIMARY KEY (by, key)
) STRICT, WITHOUT ROWID;
CREATE INDEX command_keys_by_age ON command_keys (at);

-- The last lease of a device; stays when it is over, and when the device goes, for its fence. `open` is 0 once it was
-- released or ended.
CREATE TABLE leases (
    device        TEXT NOT NULL PRIMARY KEY,
    holder        TEXT NOT NULL,
    fence         INTEGER NOT NULL,
    since         INTEGER NOT NULL,
    expires_at    INTEGER NOT NULL,
    at_lapse      TEXT,
    at_lapse_args TEXT,
    open          INTEGER NOT NULL
) STRICT, WITHOUT ROWID;
CREATE INDEX open_leases ON leases (expires_at) WHERE open = 1;

-- A device without a row here has an empty state of version 0.
CREATE TABLE shadows (
    device           TEXT NOT NULL PRIMARY KEY,
    version          INTEGER NOT NULL,
    reported_version INTEGER
) STRICT, WITHOUT ROWID;

CREATE TABLE desired (
    device     TEXT NOT NULL,
    key        TEXT NOT NULL,
    value      TEXT NOT NULL,
    at         INTEGER NOT NULL,
    by         TEXT NOT NULL,
    expires_at INTEGER,
    command    BLOB,
    PRIMARY KEY (device, key)
) STRICT, WITHOUT ROWID;
CREATE INDEX desired_by_command ON desired (command) WHERE command IS NOT NULL;

CREATE TABLE reported (
    device TEXT NOT NULL,
    key    TEXT NOT NULL,
    value  TEXT NOT NULL,
    at     INTEGER NOT NULL,
    PRIMARY KEY (device, key)
) STRICT, WITHOUT ROWID;
