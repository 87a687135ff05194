drop function lane_running, server_since, wake_workers;
drop table schedules_fired, provider_turns, lanes, workers, job_failures, processing_jobs;
