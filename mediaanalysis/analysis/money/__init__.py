"""What an analysis may cost, will cost and has cost."""
