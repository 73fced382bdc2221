-- Up to which event `agents` and `tasks` tell what the history does: less than last_seq where they are to be made anew.
ALTER TABLE workflows ADD COLUMN projected_seq BIGINT NOT NULL DEFAULT 0;
-- What the history weighs, in bytes of payload.
ALTER TABLE workflows ADD COLUMN bytes BIGINT NOT NULL DEFAULT 0;
UPDATE workflows SET bytes = (SELECT CAST(COALESCE(SUM(octet_length(payload)), 0) AS BIGINT) FROM workflow_events WHERE workflow_id = workflows.id);
CREATE INDEX workflows_finished ON workflows (updated_at, id) WHERE outcome IS NOT NULL;
CREATE INDEX model_usage_by_age ON model_usage (at);

CREATE TABLE agents (
    workflow_id   TEXT COLLATE "C"   NOT NULL REFERENCES workflows (id),
    step          TEXT COLLATE "C"   NOT NULL, -- plan/1, edit/parser/2, review/1/1
    role          TEXT COLLATE "C"   NOT NULL,
    attempt       BIGINT NOT NULL, -- the first is 1
    template      TEXT COLLATE "C",            -- null until an answer has come
    version       TEXT COLLATE "C",            -- of the template: the hash of its file
    provider      TEXT COLLATE "C",            -- who answered last
    model         TEXT COLLATE "C",
    calls         BIGINT NOT NULL, -- answers
    failures      BIGINT NOT NULL, -- of the world
    started_at    BIGINT NOT NULL, -- ms since 1970
    ended_at      BIGINT,          -- ms since 1970; null while it is at work
    outcome       TEXT COLLATE "C",            -- accepted, rejected or cut_off; null while it is at work
    PRIMARY KEY (workflow_id, step)
);

CREATE TABLE tasks (
    workflow_id TEXT COLLATE "C"   NOT NULL REFERENCES workflows (id),
    task_id     TEXT COLLATE "C"   NOT NULL,
    place       BIGINT NOT NULL, -- in the order of the groups, revisions last; the first is 0
    title       TEXT COLLATE "C"   NOT NULL,
    in_group    BIGINT NOT NULL, -- the first is 1
    status      TEXT COLLATE "C"   NOT NULL, -- waiting, editing, committed or undone
    attempt     BIGINT NOT NULL, -- the first is 1; 0 before it
    depends_on  TEXT COLLATE "C"   NOT NULL, -- JSON, a list of tasks
    reads       TEXT COLLATE "C"   NOT NULL, -- JSON, a list of paths
    writes      TEXT COLLATE "C"   NOT NULL, -- JSON, a list of paths
    PRIMARY KEY (workflow_id, task_id)
);
