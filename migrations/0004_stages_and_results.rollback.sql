drop table media_analysis_results;
drop table transcriptions;
drop table analysis_stages;
drop type analysis_stage_state;
