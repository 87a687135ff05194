"""Bytes at rest: one object store (a local directory, s3, gs or az), its key layout and its housekeeping."""
