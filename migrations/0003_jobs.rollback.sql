drop function complete_jobs, claim_jobs, lane_room, lane_running, wake_workers;
drop type lane_floor;
drop table schedules_fired, lanes, workers, job_failures, processing_jobs;
