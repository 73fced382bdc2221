CREATE TABLE responses (
    id         TEXT   NOT NULL PRIMARY KEY,
    owner      TEXT   NOT NULL, -- key/<id>, or account/<uid> of the socket
    at         BIGINT NOT NULL, -- ms since 1970
    weight     BIGINT NOT NULL, -- bytes of the last two columns
    deployment TEXT   NOT NULL, -- who answered: provider/model
    given      TEXT   NOT NULL, -- all that the model was given, as JSON: the conversation before the answer
    answer     TEXT   NOT NULL  -- as JSON
);
CREATE INDEX responses_by_owner ON responses (owner, at, id, weight);
CREATE INDEX responses_by_time ON responses (at);
