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
