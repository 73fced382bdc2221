-- A database as version 0.1.0 left it; never changed.
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

INSERT INTO __diesel_schema_migrations (version) VALUES ('20261122100000');
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

INSERT INTO __diesel_schema_migrations (version) VALUES ('20261122100100');
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

INSERT INTO __diesel_schema_migrations (version) VALUES ('20261122100200');
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

INSERT INTO __diesel_schema_migrations (version) VALUES ('20261122100300');
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

INSERT INTO __diesel_schema_migrations (version) VALUES ('20261122110000');
-- Up to which event `agents` and `tasks` tell what the history does: less than last_seq where they are to be made anew.
ALTER TABLE workflows ADD COLUMN projected_seq BIGINT NOT NULL DEFAULT 0;
-- What the history weighs, in bytes of payload.
ALTER TABLE workflows ADD COLUMN bytes BIGINT NOT NULL DEFAULT 0;
UPDATE workflows SET bytes = (SELECT CAST(COALESCE(SUM(octet_length(payload)), 0) AS BIGINT) FROM workflow_events WHERE workflow_id = workflows.id);
CREATE INDEX workflows_finished ON workflows (updated_at, id) WHERE outcome IS NOT NULL;
CREATE INDEX model_usage_by_age ON model_usage (at);

CREATE TABLE agents (
    workflow_id   TEXT   NOT NULL REFERENCES workflows (id),
    step          TEXT   NOT NULL, -- plan/1, edit/parser/2, review/1/1
    role          TEXT   NOT NULL,
    attempt       BIGINT NOT NULL, -- the first is 1
    template      TEXT,            -- null until an answer has come
    version       TEXT,            -- of the template: the hash of its file
    provider      TEXT,            -- who answered last
    model         TEXT,
    calls         BIGINT NOT NULL, -- answers
    failures      BIGINT NOT NULL, -- of the world
    started_at    BIGINT NOT NULL, -- ms since 1970
    ended_at      BIGINT,          -- ms since 1970; null while it is at work
    outcome       TEXT,            -- accepted, rejected or cut_off; null while it is at work
    PRIMARY KEY (workflow_id, step)
);

CREATE TABLE tasks (
    workflow_id TEXT   NOT NULL REFERENCES workflows (id),
    task_id     TEXT   NOT NULL,
    place       BIGINT NOT NULL, -- in the order of the groups, revisions last; the first is 0
    title       TEXT   NOT NULL,
    in_group    BIGINT NOT NULL, -- the first is 1
    status      TEXT   NOT NULL, -- waiting, editing, committed or undone
    attempt     BIGINT NOT NULL, -- the first is 1; 0 before it
    depends_on  TEXT   NOT NULL, -- JSON, a list of tasks
    reads       TEXT   NOT NULL, -- JSON, a list of paths
    writes      TEXT   NOT NULL, -- JSON, a list of paths
    PRIMARY KEY (workflow_id, task_id)
);

INSERT INTO __diesel_schema_migrations (version) VALUES ('20261122120000');
CREATE TABLE prompts (
    name        TEXT   NOT NULL,
    version     TEXT   NOT NULL, -- the hash of the template's file
    number      BIGINT NOT NULL, -- the version as its author counts
    description TEXT   NOT NULL,
    system_text TEXT   NOT NULL,
    user_text   TEXT   NOT NULL,
    first_at    BIGINT NOT NULL, -- when a server had it first, in ms since 1970
    PRIMARY KEY (name, version)
);

INSERT INTO __diesel_schema_migrations (version) VALUES ('20261122120100');
-- A run of the server has rows of its own, so that what it writes again is written once; who reads adds them up.
CREATE TABLE model_metrics (
    hour             BIGINT NOT NULL, -- its beginning, in ms since 1970
    provider         TEXT   NOT NULL,
    model            TEXT   NOT NULL,
    run              BIGINT NOT NULL, -- 63 random bits
    calls            BIGINT NOT NULL,
    answered         BIGINT NOT NULL,
    interrupted      BIGINT NOT NULL, -- after the first output
    cancelled        BIGINT NOT NULL,
    failed_caller    BIGINT NOT NULL, -- the request
    failed_policy    BIGINT NOT NULL, -- a rule of the operator or of this server
    failed_provider  BIGINT NOT NULL, -- broken, full, silent, or no dialect of its own
    failed_own   BIGINT NOT NULL, -- this server or its configuration: a key, a URL
    input            BIGINT NOT NULL, -- tokens, as are the next four
    cached_input     BIGINT NOT NULL,
    cache_written    BIGINT NOT NULL,
    output           BIGINT NOT NULL,
    reasoning        BIGINT NOT NULL,
    cost_nanodollars BIGINT NOT NULL, -- of the calls whose price is known
    unpriced         BIGINT NOT NULL, -- calls whose price is not known
    latency          TEXT   NOT NULL, -- how long calls took: a histogram that can be added up
    first_output     TEXT   NOT NULL, -- how long the first output took, of calls that had any
    PRIMARY KEY (hour, provider, model, run)
);

INSERT INTO __diesel_schema_migrations (version) VALUES ('20261122120200');
INSERT INTO workflows (bytes, created_at, fence, goal, id, last_seq, outcome, projected_seq, root, status, updated_at) VALUES (323, 1000, 2, 'make it better', 'abc123456789', 3, 'done', 0, '/work', 'done', 3000);
INSERT INTO workflows (bytes, created_at, fence, goal, id, last_seq, outcome, projected_seq, root, status, updated_at) VALUES (207, 2000, 2, 'and the rest', 'xyz123456789', 2, NULL, 2, '/work', 'planning', 3);
INSERT INTO workflow_events (at, event_id, fence, kind, payload, seq, workflow_id) VALUES (1000, -9223372036854775807, 1, 'started', '{"v":1,"kind":"started","goal":"make it better","root":"/work","settings":{"mode":"run","plan_attempts":3,"edit_attempts":3,"review_rounds":3,"parallel_editors":4,"step_failures":3}}', 1, 'abc123456789');
INSERT INTO workflow_events (at, event_id, fence, kind, payload, seq, workflow_id) VALUES (2000, 2, 2, 'gave_up', '{"v":1,"kind":"gave_up","reason":"größer als erlaubt"}', 2, 'abc123456789');
INSERT INTO workflow_events (at, event_id, fence, kind, payload, seq, workflow_id) VALUES (3000, 3, 2, 'finished', '{"v":1,"kind":"finished","outcome":{"kind":"failed","reason":"größer als erlaubt"}}', 3, 'abc123456789');
INSERT INTO workflow_events (at, event_id, fence, kind, payload, seq, workflow_id) VALUES (2000, 4, 1, 'started', '{"v":1,"kind":"started","goal":"and the rest","root":"/work","settings":{"mode":"run","plan_attempts":3,"edit_attempts":3,"review_rounds":3,"parallel_editors":4,"step_failures":3}}', 1, 'xyz123456789');
INSERT INTO workflow_events (at, event_id, fence, kind, payload, seq, workflow_id) VALUES (3, -1, 2, 'noted', '{"id":18446744073709551615}', 2, 'xyz123456789');
INSERT INTO model_usage (at, cache_written, cached_input, call_key, cost_nanodollars, duration_ms, id, input, model, outcome, output, provider, reasoning, role, workflow_id) VALUES (1500, 2, 1, 'abc123456789/plan/1/1', 70, 1200, 7, 10, 'org/one', 'answered', 3, 'demo', 1, 'planner', 'abc123456789');
INSERT INTO model_usage (at, cache_written, cached_input, call_key, cost_nanodollars, duration_ms, id, input, model, outcome, output, provider, reasoning, role, workflow_id) VALUES (1600, 0, 0, 'lost/1600/1', NULL, 100, 8, 0, 'two', 'cancelled', 5, 'demo', 0, 'editor', NULL);
INSERT INTO model_usage (at, cache_written, cached_input, call_key, cost_nanodollars, duration_ms, id, input, model, outcome, output, provider, reasoning, role, workflow_id) VALUES (4, 0, 0, 'full/1', 70, 12, 9, 10, 'some/model', 'done', 3, 'local', 0, 'editor', 'xyz123456789');
INSERT INTO model_usage (at, cache_written, cached_input, call_key, cost_nanodollars, duration_ms, id, input, model, outcome, output, provider, reasoning, role, workflow_id) VALUES (4, 0, 0, 'full/2', 70, 12, 10, 10, 'some/model', 'done', 3, 'local', 0, 'editor', NULL);
INSERT INTO agents (attempt, calls, ended_at, failures, model, outcome, provider, role, started_at, step, template, version, workflow_id) VALUES (1, 1, NULL, 4294967295, 'org/one', CAST(X'07205c2022c3a4f09fa6807fe280a80a0d0927242e78272027273b202d2d' AS TEXT), 'demo', 'planner', 5, 'plan/1', 'planning/task-graph', 'abc', 'xyz123456789');
INSERT INTO tasks (attempt, depends_on, in_group, place, reads, status, task_id, title, workflow_id, writes) VALUES (0, '[]', 1, 0, '[]', 'waiting', 'greet', CAST(X'07205c2022c3a4f09fa6807fe280a80a0d0927242e78272027273b202d2d' AS TEXT), 'xyz123456789', '["a.rs"]');
INSERT INTO prompts (description, first_at, name, number, system_text, user_text, version) VALUES (CAST(X'07205c2022c3a4f09fa6807fe280a80a0d0927242e78272027273b202d2d' AS TEXT), 1, 'review/diff', 1, 's', '{{ x }}', 'v');
INSERT INTO model_metrics (answered, cache_written, cached_input, calls, cancelled, cost_nanodollars, failed_caller, failed_own, failed_policy, failed_provider, first_output, hour, input, interrupted, latency, model, output, provider, reasoning, run, unpriced) VALUES (2, 0, 0, 3, 0, 70, 0, 1, 0, 0, '', 3600000, 0, 0, '', 'org/one', 0, 'demo', 0, 7, 1);
INSERT INTO nodes (audit_first_prev, audit_first_seq, audit_last_hash, audit_last_seq, id, recorded) VALUES ('0000000000000000000000000000000000000000000000000000000000000000', 1, '962bb077f551d936366335be6f01270f10423f62c06cc89c9910e67b73b151b7', 1, '0000000000000005', 9223372036854775807);
INSERT INTO audit_log (action, at, detail, hash, node, outcome, prev_hash, seq, subject, times, who) VALUES ('tree.kill', 5, NULL, '962bb077f551d936366335be6f01270f10423f62c06cc89c9910e67b73b151b7', '0000000000000005', 'ok', '0000000000000000000000000000000000000000000000000000000000000000', 1, CAST(X'07205c2022c3a4f09fa6807fe280a80a0d0927242e78272027273b202d2d' AS TEXT), 3, 'socket');
INSERT INTO requests (at, bytes_in, bytes_out, door, duration_ms, id, method, node, principal, request_id, route, status) VALUES (6, NULL, 9223372036854775807, 'socket', 3, 1, 'GET', '0000000000000005', CAST(X'07205c2022c3a4f09fa6807fe280a80a0d0927242e78272027273b202d2d' AS TEXT), '0011223344556677', '/v1/workflows/{id}', 200);
INSERT INTO api_keys (created_at, digest, expires_at, id, last_used_at, models, name, revoked_at, roots, rotated_from, scopes, tags) VALUES (1, '8080539d1ca592a2ca06b8e0c0c77b25a05eaf4a870842484d35244970735fe2', 5000, '900000000000', NULL, CAST(X'6f746865722f736f6d652f6d6f64656c0a' AS TEXT), 'Übersetzer’s key', NULL, CAST(X'2f772f6120620a' AS TEXT), NULL, 'gateway,workflows', CAST(X'7465616d3d613d623b20630a' AS TEXT));
