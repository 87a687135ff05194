"""Who listens and who answers: providers and models as data (`catalogue`), tried in order (`chain`)."""

from mediaanalysis.providers.providers import Providers

__all__ = ["Providers"]
