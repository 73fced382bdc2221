-- who asked, where a client did: operator, or key/<id>
ALTER TABLE model_usage ADD COLUMN principal TEXT;
-- the key's tags as it had them then, one name=value a line; null where it has none
ALTER TABLE model_usage ADD COLUMN tags TEXT;
