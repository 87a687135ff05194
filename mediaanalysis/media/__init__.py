"""What media is and what is in it: identified, probed, cut, read and heard, always by guarded children."""
