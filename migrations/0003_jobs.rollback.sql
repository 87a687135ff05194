drop table schedules_fired, lanes, workers, job_failures, processing_jobs;
