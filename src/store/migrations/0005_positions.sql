-- The positions of factors change with every login and are in rows of their own, so that little is rewritten.

CREATE TABLE positions (
    factor TEXT PRIMARY KEY REFERENCES factors (id),
    next   BIGINT NOT NULL,              -- smallest step or counter that is still acceptable
    used   BIGINT                        -- when a code was accepted last
);
INSERT INTO positions (factor, next, used) SELECT id, next, used FROM factors;

ALTER TABLE factors DROP COLUMN next;
ALTER TABLE factors DROP COLUMN used;
