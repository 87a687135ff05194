"""What an analysis does: `kinds` lists the stages of each media type, one file per stage, `pipeline` runs them."""
