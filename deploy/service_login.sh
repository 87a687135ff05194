#!/bin/sh
# Run once by the image of PostgreSQL, when the database is made: the login of `api` and `worker`. It can do nothing until
# `migrate` grants it what it needs. Another password later: alter role mediaanalysis_service password '...'
set -eu
psql --no-psqlrc --quiet --set ON_ERROR_STOP=1 --username "$POSTGRES_USER" --dbname "$POSTGRES_DB" <<'SQL'
\getenv password SERVICE_PASSWORD
create role mediaanalysis_service login password :'password';
SQL
