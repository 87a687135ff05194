"""Who owns an analysis."""

from __future__ import annotations

from uuid import UUID

LOCAL_OWNER = UUID(int=0)
"""Owner of everything while the service runs without API keys."""
