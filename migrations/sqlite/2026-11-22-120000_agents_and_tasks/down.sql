DROP TABLE tasks;
DROP TABLE agents;
DROP INDEX model_usage_by_age;
DROP INDEX workflows_finished;
ALTER TABLE workflows DROP COLUMN bytes;
ALTER TABLE workflows DROP COLUMN projected_seq;
