"""Answers quoted out of the media: passages, their ranking, facts. Pure: nothing here invents, waits or remembers."""
