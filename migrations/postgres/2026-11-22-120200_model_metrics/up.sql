-- A run of the server has rows of its own, so that what it writes again is written once; who reads adds them up.
CREATE TABLE model_metrics (
    hour             BIGINT NOT NULL, -- its beginning, in ms since 1970
    provider         TEXT COLLATE "C"   NOT NULL,
    model            TEXT COLLATE "C"   NOT NULL,
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
    latency          TEXT COLLATE "C"   NOT NULL, -- how long calls took: a histogram that can be added up
    first_output     TEXT COLLATE "C"   NOT NULL, -- how long the first output took, of calls that had any
    PRIMARY KEY (hour, provider, model, run)
);
