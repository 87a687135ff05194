"""What goes out, and what keeps it: answers, cache, ranges, subtitles."""
