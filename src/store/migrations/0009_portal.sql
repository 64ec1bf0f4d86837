-- What people enter at the portal, accounts that wait for their activation, and sessions.

ALTER TABLE people ADD COLUMN fresh BIGINT NOT NULL DEFAULT 0;  -- 1: not activated yet; holds while the person is locked or switched off
ALTER TABLE people ADD COLUMN proven BIGINT NOT NULL DEFAULT 0; -- contacts of their own that are proven: who has none is not asked for them
ALTER TABLE people ADD COLUMN registered BIGINT;                -- when the registration was complete
ALTER TABLE people ADD COLUMN language TEXT;                    -- of messages, BCP 47; none: the default

CREATE TABLE contacts (
    person  TEXT NOT NULL REFERENCES people (id),
    kind    TEXT NOT NULL,               -- mobile, phone, email
    proven  TEXT,                        -- in use
    waiting TEXT,                        -- entered; takes the other's place once it is proven
    PRIMARY KEY (person, kind)
);

CREATE TABLE questions (
    person   TEXT PRIMARY KEY REFERENCES people (id),
    chosen   TEXT NOT NULL,              -- JSON list of the questions, in the order of their slots
    answers  TEXT NOT NULL,              -- sealed: questions and hashes of answers; empty: none
    helpdesk TEXT,                       -- the question that the help desk may ask
    spoken   TEXT NOT NULL               -- sealed under a key of its own: that question and its answer; empty: none
);

CREATE TABLE sessions (                  -- of the portal
    id      TEXT PRIMARY KEY,            -- SHA-256 of what the cookie holds, hex
    person  TEXT REFERENCES people (id), -- who is signed in; none: nobody
    version BIGINT NOT NULL,             -- rises with each change
    content TEXT NOT NULL,               -- sealed; bound to id and person
    created BIGINT NOT NULL,
    expires BIGINT NOT NULL
);
CREATE INDEX sessions_person ON sessions (person);
CREATE INDEX sessions_expires ON sessions (expires);
CREATE INDEX sessions_anonymous ON sessions (created, id) WHERE person IS NULL;

-- Messages that carry no code count for no limit, and their cost not as that of codes.
DROP INDEX outbox_created;
CREATE INDEX outbox_created ON outbox (created, purpose, cost);
