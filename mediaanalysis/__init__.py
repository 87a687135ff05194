"""Media Analysis API: a self-hosted service that turns media into answers."""

__version__ = "0.1.0"
