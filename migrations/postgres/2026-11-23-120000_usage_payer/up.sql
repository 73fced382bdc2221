-- client where the client's own credential paid; null where the operator did
ALTER TABLE model_usage ADD COLUMN payer TEXT COLLATE "C";
