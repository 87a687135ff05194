"""One file per stage. `analysis/kinds` says which run for which media type."""
