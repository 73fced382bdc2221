-- Text is compared byte by byte, as SQLite does it: the order of ids must not hang on the server's locale.
CREATE TABLE workflows (
    id         TEXT COLLATE "C" NOT NULL PRIMARY KEY,
    goal       TEXT COLLATE "C" NOT NULL,
    root       TEXT COLLATE "C" NOT NULL,
    status     TEXT COLLATE "C" NOT NULL,
    fence      BIGINT           NOT NULL,
    last_seq   BIGINT           NOT NULL,
    created_at BIGINT           NOT NULL, -- ms since 1970
    updated_at BIGINT           NOT NULL, -- ms since 1970
    outcome    TEXT COLLATE "C"           -- null until the workflow has ended
);
CREATE INDEX workflows_by_age ON workflows (created_at, id);
CREATE INDEX workflows_unfinished ON workflows (created_at, id) WHERE outcome IS NULL;

CREATE TABLE workflow_events (
    workflow_id TEXT COLLATE "C" NOT NULL REFERENCES workflows (id),
    seq         BIGINT           NOT NULL, -- the first is 1
    event_id    BIGINT           NOT NULL, -- 64 random bits
    kind        TEXT COLLATE "C" NOT NULL,
    payload     TEXT COLLATE "C" NOT NULL, -- JSON
    fence       BIGINT           NOT NULL, -- who wrote it
    at          BIGINT           NOT NULL, -- ms since 1970
    PRIMARY KEY (workflow_id, seq)
);
