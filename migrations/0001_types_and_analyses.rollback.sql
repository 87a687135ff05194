drop table media_analysis_requests;
drop function notify_changed();
drop type media_type_enum;
drop type media_analysis_status;
