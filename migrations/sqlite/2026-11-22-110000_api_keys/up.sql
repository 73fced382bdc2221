CREATE TABLE api_keys (
    id           TEXT   NOT NULL PRIMARY KEY,
    name         TEXT   NOT NULL,
    digest       TEXT   NOT NULL, -- SHA-256 of the secret, in hexadecimal digits
    scopes       TEXT   NOT NULL, -- words with commas between them
    models       TEXT   NOT NULL, -- one a line, as are the next two
    roots        TEXT   NOT NULL,
    tags         TEXT   NOT NULL, -- name=value
    created_at   BIGINT NOT NULL, -- ms since 1970, as are the next three
    expires_at   BIGINT,
    revoked_at   BIGINT,
    last_used_at BIGINT,          -- to about a minute
    rotated_from TEXT
);
