-- What was proven before somebody's sessions were ended (another password, a lock) makes no session any more.

ALTER TABLE people ADD COLUMN sessions_ended BIGINT NOT NULL DEFAULT 0;
