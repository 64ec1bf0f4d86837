-- What may be used once, and messages that carry codes.

CREATE TABLE once (                      -- what was used up: a State, a sent code
    id      TEXT PRIMARY KEY,
    expires BIGINT NOT NULL              -- when it is over anyway
);
CREATE INDEX once_expires ON once (expires);

CREATE TABLE outbox (
    id          TEXT PRIMARY KEY,        -- that of the code; sorts by time
    person      TEXT NOT NULL,
    purpose     TEXT NOT NULL,
    channel     TEXT NOT NULL,
    masked      TEXT NOT NULL,           -- the destination as it may be shown
    destination TEXT NOT NULL,           -- keyed digest, hex
    origin      TEXT,                    -- keyed digest, hex
    content     TEXT NOT NULL,           -- sealed; bound to id, person and channel; empty when the message is over
    state       TEXT NOT NULL,           -- waiting, sending, sent, dead
    created     BIGINT NOT NULL,
    due         BIGINT NOT NULL,
    expires     BIGINT NOT NULL,         -- after this it is not worth sending
    ended       BIGINT,
    attempts    BIGINT NOT NULL,
    claimed     BIGINT,                  -- when a node took it to send it
    provider    TEXT NOT NULL,
    detail      TEXT NOT NULL,
    cost        BIGINT NOT NULL          -- hundredths of the currency
);
CREATE INDEX outbox_state ON outbox (state, due);
CREATE INDEX outbox_person ON outbox (person, created);
CREATE INDEX outbox_destination ON outbox (destination, created);
CREATE INDEX outbox_origin ON outbox (origin, created);
CREATE INDEX outbox_created ON outbox (created, cost);
CREATE INDEX outbox_ended ON outbox (ended);

-- In audit_head, row 1 says where the chain ends and row 2 after which entry it begins, where the oldest were removed.

-- Only the few that are pending: SQLite would take an index on the state for that of the person.
CREATE INDEX factors_pending ON factors (created) WHERE state = 'pending';
CREATE INDEX one_time_codes_expires ON one_time_codes (expires);
