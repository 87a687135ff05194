"""PostgreSQL: hand-written SQL from `sql/`, one module per file, a typed function per block. Alone with asyncpg."""
