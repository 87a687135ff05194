"""A prompt and all that was seen, heard and read, as messages to a model (`material`, `asking`), and what comes back
checked (`reading`). Pure."""
