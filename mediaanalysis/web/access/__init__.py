"""Who may come in, and how often: keys, signed links, rates."""
