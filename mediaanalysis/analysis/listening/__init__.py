"""Long sound in parts: where to cut it (`splitting`), what a recogniser made up (`repetition`, `tails`), one again
(`stitching`). Pure."""
