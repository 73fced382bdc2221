DROP TABLE model_metrics;
