CREATE TABLE api_keys (
    id           TEXT COLLATE "C" NOT NULL PRIMARY KEY,
    name         TEXT COLLATE "C" NOT NULL,
    digest       TEXT COLLATE "C" NOT NULL, -- SHA-256 of the secret, in hexadecimal digits
    scopes       TEXT COLLATE "C" NOT NULL, -- words with commas between them
    models       TEXT COLLATE "C" NOT NULL, -- one a line, as are the next two
    roots        TEXT COLLATE "C" NOT NULL,
    tags         TEXT COLLATE "C" NOT NULL, -- name=value
    created_at   BIGINT           NOT NULL, -- ms since 1970, as are the next three
    expires_at   BIGINT,
    revoked_at   BIGINT,
    last_used_at BIGINT,                    -- to about a minute
    rotated_from TEXT COLLATE "C"
);
