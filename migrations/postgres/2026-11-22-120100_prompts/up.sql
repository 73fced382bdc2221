CREATE TABLE prompts (
    name        TEXT COLLATE "C"   NOT NULL,
    version     TEXT COLLATE "C"   NOT NULL, -- the hash of the template's file
    number      BIGINT NOT NULL, -- the version as its author counts
    description TEXT COLLATE "C"   NOT NULL,
    system_text TEXT COLLATE "C"   NOT NULL,
    user_text   TEXT COLLATE "C"   NOT NULL,
    first_at    BIGINT NOT NULL, -- when a server had it first, in ms since 1970
    PRIMARY KEY (name, version)
);
