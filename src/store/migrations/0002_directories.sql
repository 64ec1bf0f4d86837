-- People that come from LDAP or Active Directory.

ALTER TABLE people ADD COLUMN directory TEXT;           -- name of the directory; none: the embedded one
ALTER TABLE people ADD COLUMN entry TEXT;               -- stable id of the entry there, hex
ALTER TABLE people ADD COLUMN dn TEXT;                  -- name of the entry there
ALTER TABLE people ADD COLUMN fingerprint TEXT;         -- of what the entry says
ALTER TABLE people ADD COLUMN own_roles TEXT;           -- JSON list: roles without those that groups give
ALTER TABLE people ADD COLUMN valid_until BIGINT;       -- end of the account
ALTER TABLE people ADD COLUMN locked BIGINT NOT NULL DEFAULT 0; -- locked here; holds while the directory switches off and on
ALTER TABLE people ADD COLUMN departed BIGINT;          -- when the entry was gone; the username is then not theirs any more
CREATE UNIQUE INDEX people_entry ON people (directory, entry);

UPDATE people SET locked = 1 WHERE status = 'locked';

CREATE TABLE directories (
    name   TEXT PRIMARY KEY,
    scope  TEXT NOT NULL,                -- of the settings that the state belongs to
    state  TEXT NOT NULL,                -- where the synchronisation stands, as its source understands it
    synced BIGINT NOT NULL               -- when that was written
);
