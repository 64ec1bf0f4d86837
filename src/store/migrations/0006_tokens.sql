-- Devices that the organisation owns: imported before anyone has them, kept when they come back. A key that was bound by touch is
-- here as well, so that no other person can have it.

CREATE TABLE tokens (
    id       TEXT PRIMARY KEY,
    kind     TEXT NOT NULL,              -- yubikey, hotp, totp
    name     TEXT NOT NULL,              -- public id of a YubiKey in modhex, otherwise the serial number
    serial   TEXT NOT NULL,              -- printed on it; may be empty
    state    TEXT NOT NULL,              -- stock, assigned, revoked
    person   TEXT REFERENCES people (id),
    factor   TEXT REFERENCES factors (id),
    next     BIGINT NOT NULL,            -- smallest acceptable position; while there is a factor, its own counts
    created  BIGINT NOT NULL,
    material TEXT NOT NULL,              -- sealed; bound to id and kind
    UNIQUE (kind, name)
);
CREATE UNIQUE INDEX tokens_factor ON tokens (factor);
CREATE INDEX tokens_person ON tokens (person);
CREATE INDEX tokens_serial ON tokens (serial);
