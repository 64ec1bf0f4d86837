-- Times are milliseconds since 1970. Ids are UUIDs as text. Everything here also runs on PostgreSQL.

CREATE TABLE people (
    id        TEXT PRIMARY KEY,
    username  TEXT NOT NULL UNIQUE,
    name      TEXT NOT NULL,
    roles     TEXT NOT NULL,             -- JSON list
    member_of TEXT NOT NULL,             -- JSON list of groups
    email     TEXT,
    phone     TEXT,
    status    TEXT NOT NULL,             -- active, locked, disabled
    version   BIGINT NOT NULL,           -- rises with each change of password, status or lock
    created   BIGINT NOT NULL
);

CREATE TABLE passwords (
    person  TEXT PRIMARY KEY REFERENCES people (id),
    hash    TEXT NOT NULL,               -- PHC or crypt string
    changed BIGINT NOT NULL              -- when the password changed; a better hash of the same one leaves it
);

CREATE TABLE factors (
    id       TEXT PRIMARY KEY,
    person   TEXT NOT NULL REFERENCES people (id),
    kind     TEXT NOT NULL,
    label    TEXT NOT NULL,
    state    TEXT NOT NULL,              -- pending, active
    created  BIGINT NOT NULL,
    used     BIGINT,
    next     BIGINT NOT NULL,            -- smallest step or counter that is still acceptable
    material TEXT NOT NULL               -- sealed; bound to id, person and kind
);
CREATE INDEX factors_person ON factors (person);

CREATE TABLE one_time_codes (
    factor    TEXT NOT NULL REFERENCES factors (id),
    digest    TEXT NOT NULL,             -- keyed digest, hex
    expires   BIGINT,
    uses_left BIGINT NOT NULL,
    PRIMARY KEY (factor, digest)
);

CREATE TABLE counters (
    person        TEXT NOT NULL,         -- empty: the stranger
    counter       TEXT NOT NULL,         -- password, or the factor's id
    failures      BIGINT NOT NULL,
    blocked_until BIGINT NOT NULL,
    PRIMARY KEY (person, counter)
);

CREATE TABLE acceptances (
    person  TEXT NOT NULL REFERENCES people (id),
    version TEXT NOT NULL,
    at      BIGINT NOT NULL,
    PRIMARY KEY (person, version)
);

CREATE TABLE audit (
    seq     BIGINT PRIMARY KEY,          -- from 1, without gaps
    at      BIGINT NOT NULL,
    actor   TEXT NOT NULL,
    action  TEXT NOT NULL,
    person  TEXT,
    subject TEXT NOT NULL,
    outcome TEXT NOT NULL,
    detail  TEXT NOT NULL,
    request TEXT NOT NULL,
    link    TEXT NOT NULL                -- keyed digest over this entry and the link before it, hex
);
CREATE INDEX audit_subject ON audit (subject, seq);

CREATE TABLE audit_head (                -- one row: where the chain ends, so that a cut-off tail shows
    id   BIGINT PRIMARY KEY,
    seq  BIGINT NOT NULL,
    link TEXT NOT NULL,
    mac  TEXT NOT NULL
);

CREATE TABLE secrets (                   -- the daemon's own keys, sealed
    name   TEXT PRIMARY KEY,
    sealed TEXT NOT NULL
);
