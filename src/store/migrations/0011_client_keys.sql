-- Keys of applications that ask over HTTPS.

CREATE TABLE client_keys (
    id      TEXT PRIMARY KEY,
    client  TEXT NOT NULL,               -- name of the [[api_client]]
    secret  TEXT NOT NULL,               -- sealed; bound to id and client
    created BIGINT NOT NULL,
    expires BIGINT                       -- a newer one has taken its place, which counts from then on alone
);
CREATE INDEX client_keys_client ON client_keys (client);
