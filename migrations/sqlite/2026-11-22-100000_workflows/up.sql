CREATE TABLE workflows (
    id         TEXT   NOT NULL PRIMARY KEY,
    goal       TEXT   NOT NULL,
    root       TEXT   NOT NULL,
    status     TEXT   NOT NULL,
    fence      BIGINT NOT NULL,
    last_seq   BIGINT NOT NULL,
    created_at BIGINT NOT NULL, -- ms since 1970
    updated_at BIGINT NOT NULL, -- ms since 1970
    outcome    TEXT             -- null until the workflow has ended
);
CREATE INDEX workflows_by_age ON workflows (created_at, id);
CREATE INDEX workflows_unfinished ON workflows (created_at, id) WHERE outcome IS NULL;

CREATE TABLE workflow_events (
    workflow_id TEXT   NOT NULL REFERENCES workflows (id),
    seq         BIGINT NOT NULL, -- the first is 1
    event_id    BIGINT NOT NULL, -- 64 random bits
    kind        TEXT   NOT NULL,
    payload     TEXT   NOT NULL, -- JSON
    fence       BIGINT NOT NULL, -- who wrote it
    at          BIGINT NOT NULL, -- ms since 1970
    PRIMARY KEY (workflow_id, seq)
);
