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
