-- Numbers of devices, for protocols that know devices by number: those that are there, as they were made.
ALTER TABLE devices ADD COLUMN client INTEGER NOT NULL DEFAULT 0;
UPDATE devices SET client = numbered.client
    FROM (SELECT id, row_number() OVER (ORDER BY created_at, id) AS client FROM devices) AS numbered
    WHERE numbered.id = devices.id;
CREATE UNIQUE INDEX devices_by_client ON devices (client);
CREATE INDEX devices_of_kind ON devices (kind, id);
INSERT INTO counters (name, next) SELECT 'device', coalesce(max(client), 0) + 1 FROM devices;

-- Which program runs on which display. The displays need not be known.
CREATE TABLE presets (
    id         INTEGER PRIMARY KEY AUTOINCREMENT,
    name       TEXT NOT NULL UNIQUE,
    created_at INTEGER NOT NULL,
    updated_at INTEGER NOT NULL
) STRICT;

CREATE TABLE preset_displays (
    preset  INTEGER NOT NULL,
    device  TEXT NOT NULL,
    program TEXT NOT NULL,
    PRIMARY KEY (preset, device)
) STRICT, WITHOUT ROWID;
CREATE INDEX presets_of_display ON preset_displays (device);
