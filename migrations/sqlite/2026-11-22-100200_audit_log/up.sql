CREATE TABLE nodes (
    id               TEXT   NOT NULL PRIMARY KEY,
    recorded         BIGINT NOT NULL, -- how far this server's records are in these tables
    audit_first_seq  BIGINT NOT NULL, -- the oldest entry of its chain that is kept
    audit_first_prev TEXT   NOT NULL, -- the hash that this one goes on from
    audit_last_seq   BIGINT NOT NULL, -- the newest entry; 0 before there is one
    audit_last_hash  TEXT   NOT NULL
);
CREATE TABLE audit_log (
    node      TEXT   NOT NULL REFERENCES nodes (id),
    seq       BIGINT NOT NULL, -- from 1, without a gap
    at        BIGINT NOT NULL, -- ms since 1970
    who       TEXT   NOT NULL,
    action    TEXT   NOT NULL,
    subject   TEXT   NOT NULL,
    outcome   TEXT   NOT NULL,
    detail    TEXT,
    times     BIGINT NOT NULL, -- more than 1 where repeated denials are one entry
    prev_hash TEXT   NOT NULL,
    hash      TEXT   NOT NULL,
    PRIMARY KEY (node, seq)
);
CREATE INDEX audit_log_by_time ON audit_log (at);
