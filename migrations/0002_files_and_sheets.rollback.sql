drop table contact_sheets;
drop table media_files;
drop type media_file_kind;
