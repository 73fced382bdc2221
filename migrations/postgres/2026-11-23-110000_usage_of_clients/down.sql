ALTER TABLE model_usage DROP COLUMN tags;
ALTER TABLE model_usage DROP COLUMN principal;
