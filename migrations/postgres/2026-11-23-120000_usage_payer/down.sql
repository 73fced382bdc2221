ALTER TABLE model_usage DROP COLUMN payer;
