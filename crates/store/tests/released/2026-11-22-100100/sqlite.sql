-- A database as the first version that anybody used left it; never changed.
CREATE TABLE __diesel_schema_migrations (version VARCHAR(50) PRIMARY KEY NOT NULL, run_on TIMESTAMP NOT NULL DEFAULT CURRENT_TIMESTAMP);

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

CREATE TABLE model_usage (
    id               INTEGER NOT NULL PRIMARY KEY,
    at               BIGINT  NOT NULL, -- ms since 1970
    call_key         TEXT    NOT NULL UNIQUE,
    workflow_id      TEXT    REFERENCES workflows (id),
    role             TEXT    NOT NULL,
    provider         TEXT    NOT NULL,
    model            TEXT    NOT NULL,
    input            BIGINT  NOT NULL, -- tokens, as are the next four
    cached_input     BIGINT  NOT NULL,
    cache_written    BIGINT  NOT NULL,
    output           BIGINT  NOT NULL,
    reasoning        BIGINT  NOT NULL,
    cost_nanodollars BIGINT,           -- null where no price is known
    outcome          TEXT    NOT NULL,
    duration_ms      BIGINT  NOT NULL
);
CREATE INDEX model_usage_by_workflow ON model_usage (workflow_id, id);

INSERT INTO __diesel_schema_migrations (version) VALUES ('20261122100000');
INSERT INTO __diesel_schema_migrations (version) VALUES ('20261122100100');

INSERT INTO workflows VALUES ('abc123456789', 'make it better', '/work', 'done', 2, 3, 1000, 3000, 'done');
INSERT INTO workflows VALUES ('xyz123456789', 'and the rest', '/work', 'planning', 1, 1, 2000, 2000, NULL);
INSERT INTO workflow_events VALUES ('abc123456789', 1, -9223372036854775807, 'started', '{"v":1,"kind":"started","goal":"make it better","root":"/work","settings":{"mode":"run","plan_attempts":3,"edit_attempts":3,"review_rounds":3,"parallel_editors":4,"step_failures":3}}', 1, 1000);
INSERT INTO workflow_events VALUES ('abc123456789', 2, 2, 'gave_up', '{"v":1,"kind":"gave_up","reason":"größer als erlaubt"}', 2, 2000);
INSERT INTO workflow_events VALUES ('abc123456789', 3, 3, 'finished', '{"v":1,"kind":"finished","outcome":{"kind":"failed","reason":"größer als erlaubt"}}', 2, 3000);
INSERT INTO workflow_events VALUES ('xyz123456789', 1, 4, 'started', '{"v":1,"kind":"started","goal":"and the rest","root":"/work","settings":{"mode":"run","plan_attempts":3,"edit_attempts":3,"review_rounds":3,"parallel_editors":4,"step_failures":3}}', 1, 2000);
INSERT INTO model_usage (id, at, call_key, workflow_id, role, provider, model, input, cached_input, cache_written, output, reasoning, cost_nanodollars, outcome, duration_ms)
    VALUES (7, 1500, 'abc123456789/plan/1/1', 'abc123456789', 'planner', 'demo', 'org/one', 10, 1, 2, 3, 1, 70, 'answered', 1200);
INSERT INTO model_usage (id, at, call_key, workflow_id, role, provider, model, input, cached_input, cache_written, output, reasoning, cost_nanodollars, outcome, duration_ms)
    VALUES (8, 1600, 'lost/1600/1', NULL, 'editor', 'demo', 'two', 0, 0, 0, 5, 0, NULL, 'cancelled', 100);
