DROP TABLE workflow_events;
DROP TABLE workflows;
