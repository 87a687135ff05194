from __future__ import annotations

from pathlib import Path

import pytest

from mediaanalysis.media.identify import HEAD_BYTES, identify
from mediaanalysis.media.limits import MediaLimits
from mediaanalysis.media.probe import probe
from mediaanalysis.sandbox import Sandbox
from mediaanalysis.structs.media import Identity, MediaProbe
from tests.clips import Clips, clips, shared_media

__all__ = ["clips", "shared_media"]

LIMITS = MediaLimits(max_seconds=14_400, max_pixels=67_108_864, max_pages=500, max_characters=2_000_000)


@pytest.fixture(scope="session")
def ffmpeg_sandbox() -> Sandbox:
    return Sandbox(2)


class Looked:
    """A clip, identified and probed."""

    def __init__(self, path: Path, identity: Identity, probe: MediaProbe) -> None:
        self.path, self.identity, self.probe = path, identity, probe


@pytest.fixture
def look(ffmpeg_sandbox: Sandbox, clips: Clips):
    async def look(name: str | Path, limits: MediaLimits = LIMITS) -> Looked:
        path = clips(name) if isinstance(name, str) else name
        identity = identify(path.read_bytes()[:HEAD_BYTES])
        return Looked(path, identity, await probe(ffmpeg_sandbox, path, identity, limits))

    return look
