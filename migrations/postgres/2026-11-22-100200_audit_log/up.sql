CREATE TABLE nodes (
    id               TEXT COLLATE "C" NOT NULL PRIMARY KEY,
    recorded         BIGINT           NOT NULL, -- how far this server's records are in these tables
    audit_first_seq  BIGINT           NOT NULL, -- the oldest entry of its chain that is kept
    audit_first_prev TEXT COLLATE "C" NOT NULL, -- the hash that this one goes on from
    audit_last_seq   BIGINT           NOT NULL, -- the newest entry; 0 before there is one
    audit_last_hash  TEXT COLLATE "C" NOT NULL
);
CREATE TABLE audit_log (
    node      TEXT COLLATE "C" NOT NULL REFERENCES nodes (id),
    seq       BIGINT           NOT NULL, -- from 1, without a gap
    at        BIGINT           NOT NULL, -- ms since 1970
    who       TEXT COLLATE "C" NOT NULL,
    action    TEXT COLLATE "C" NOT NULL,
    subject   TEXT COLLATE "C" NOT NULL,
    outcome   TEXT COLLATE "C" NOT NULL,
    detail    TEXT COLLATE "C",
    times     BIGINT           NOT NULL, -- more than 1 where repeated denials are one entry
    prev_hash TEXT COLLATE "C" NOT NULL,
    hash      TEXT COLLATE "C" NOT NULL,
    PRIMARY KEY (node, seq)
);
CREATE INDEX audit_log_by_time ON audit_log (at);
