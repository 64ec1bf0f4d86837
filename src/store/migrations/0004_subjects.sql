-- Which entries of the trail are about whom. Each entry that is written made the index of the database write to another page
-- of it, which cost more than the entry itself. Now each part of the trail is written down once, when it is complete.

DROP INDEX audit_subject;

CREATE TABLE audit_subjects (
    bucket BIGINT NOT NULL,              -- first bits of the subjects' digests
    part   BIGINT NOT NULL,              -- of the trail: seq / 16384
    places TEXT NOT NULL,                -- next bits of each digest, and the entry's place in the part; sorted, base64
    PRIMARY KEY (bucket, part)
);
