CREATE TABLE requests (
    id          INTEGER NOT NULL PRIMARY KEY,
    at          BIGINT  NOT NULL, -- ms since 1970
    node        TEXT    NOT NULL,
    request_id  TEXT    NOT NULL,
    principal   TEXT    NOT NULL,
    door        TEXT    NOT NULL,
    method      TEXT    NOT NULL,
    route       TEXT    NOT NULL, -- the template, never the path
    status      BIGINT  NOT NULL,
    duration_ms BIGINT  NOT NULL, -- until the answer's head
    bytes_in    BIGINT, -- null where nobody said beforehand
    bytes_out   BIGINT
);
CREATE INDEX requests_by_time ON requests (at);
