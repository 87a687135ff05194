"""Take single pictures out of a video with ffmpeg, each with the time it is really shown at.

A filter writes the time of each picture to stdout just before it is encoded, so a label never lies, wherever a seek
landed. It is the container's time (`-copyts`), from which the start is taken off here: `-start_at_zero` takes off the
start of the picture instead where that is later than the sound's.
"""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from msgspec import Struct

from mediaanalysis.media import ffmpeg
from mediaanalysis.sandbox import Sandbox
from mediaanalysis.structs.media import VideoStream

CONTAINER_TIMES = ("-copyts",)
KEYFRAMES_ONLY: dict[str, Any] = {"noaccurate_seek": None, "skip_frame": "nokey"}
LONGEST_SIDE = 1280
INPUTS_AT_ONCE = 8
PIXELS_AT_ONCE = 8 * 1920 * 1088
"""Every input of a process keeps its own decoder in memory."""
HDR = frozenset({"smpte2084", "arib-std-b67"})
ENCODING: dict[str, Any] = {
    "q:v": 3,
    "pix_fmt": "yuvj420p",
    "an": None,
    "threads": 1,
    "fflags": "+bitexact",
    "flags": "+bitexact",
}


class Shot(Struct, frozen=True):
    """A picture that was taken: its file, and when it is shown."""

    filename: str
    at_seconds: float


class Camera(Struct, frozen=True):
    """A video to take pictures of. `maps_tones`: HDR can be made for a plain screen; `seeks_loosely`: a seek may land
    between keyframes."""

    sandbox: Sandbox
    path: Path
    video: VideoStream
    into: Path
    start_seconds: float = 0.0
    maps_tones: bool = False
    seeks_loosely: bool = False

    @property
    def size(self) -> tuple[int, int]:
        """Of the pictures: even, as shown, the longest side bounded."""
        scale = min(1.0, LONGEST_SIDE / max(self.video.width, self.video.height))
        return max(2, round(self.video.width * scale / 2) * 2), max(2, round(self.video.height * scale / 2) * 2)

    async def at_keyframes(self, moments: Sequence[float]) -> dict[float, Shot]:
        """The keyframe at or before each moment; decodes one picture for each. Moments without one are left out."""
        return await self._seek(moments, "key", KEYFRAMES_ONLY, decoded_seconds=0)

    async def at_moments(self, moments: Sequence[float], decoded_seconds: float) -> dict[float, Shot]:
        """The first picture at or after each moment; decodes from the keyframe before it."""
        return await self._seek(moments, "seek", {}, decoded_seconds=decoded_seconds)

    async def in_one_pass(self, moments: Sequence[float]) -> list[Shot]:
        """The first picture at or after each moment, by decoding everything up to the last of them once.

        Selected by their times: `fps=` would fill a gap of a day with copies.
        """
        times = [f"{at + self.start_seconds:.3f}" for at in moments]
        wanted = "+".join(f"gte(t,{at})*not(gte(prev_selected_t,{at}))" for at in times)
        picked = self._source().filter("select", expr=wanted)
        paced = self._finish(picked, "pass").filter("setpts", "N/TB")
        outputs = [ffmpeg.write(paced, "pass_%03d.jpg", **ENCODING, r=1, **{"frames:v": len(moments)})]
        told = await self._run(outputs, decoded_seconds=moments[-1], pixels=self._pixels)
        return [Shot(f"pass_{n:03}.jpg", at) for n, (_, at) in enumerate(told, 1)]

    @property
    def _pixels(self) -> int:
        return self.video.width * self.video.height

    def _source(self, **options: Any) -> Any:
        return ffmpeg.read(self.path, **options)[str(self.video.index)]

    async def _seek(
        self, moments: Sequence[float], prefix: str, options: dict[str, Any], *, decoded_seconds: float
    ) -> dict[float, Shot]:
        """In batches: one process with several inputs costs far less than one process for each."""
        size = max(1, min(INPUTS_AT_ONCE, PIXELS_AT_ONCE // self._pixels))
        numbered = list(enumerate(moments, 1))
        batches = [numbered[start : start + size] for start in range(0, len(numbered), size)]
        taken = await asyncio.gather(*(self._batch(batch, prefix, options, decoded_seconds) for batch in batches))
        return {at: shot for shots in taken for at, shot in shots.items()}

    async def _batch(
        self, batch: Sequence[tuple[int, float]], prefix: str, options: dict[str, Any], decoded_seconds: float
    ) -> dict[float, Shot]:
        outputs = [self._still(f"{prefix}_{n:03}", ss=f"{at:.3f}", **options) for n, at in batch]
        times = dict(await self._run(outputs, decoded_seconds=decoded_seconds, pixels=len(batch) * self._pixels))
        names = {at: f"{prefix}_{n:03}" for n, at in batch}
        return {at: Shot(f"{name}.jpg", times[name]) for at, name in names.items() if name in times}

    def _still(self, name: str, **options: Any) -> Any:
        picture = self._finish(self._source(**options), name).filter("trim", end_frame=1)
        return ffmpeg.write(picture, f"{name}.jpg", **ENCODING, update=1, **{"frames:v": 1})

    def _finish(self, picture: Any, name: str) -> Any:
        """Upright is what ffmpeg gives; scale to the shown size, tell the time under `name`."""
        picture = picture.filter("scale", *self.size, flags="fast_bilinear").filter("setsar", 1)
        if self.maps_tones and self.video.color_transfer in HDR:
            picture = _map_tones(picture)
        named = picture.filter("metadata", "add", key="shot", value=name)
        told = named.filter("metadata", "print", key="shot", file="pipe:1", direct=1)
        return told.filter("setpts", "PTS-STARTPTS")

    async def _run(self, outputs: Sequence[Any], *, decoded_seconds: float, pixels: int) -> list[tuple[str, float]]:
        """Names and times in the order they were told. A name may come twice; the first is the picture written."""
        clock = _Clock(self.start_seconds)
        await ffmpeg.run(
            self.sandbox, outputs, into=self.into, decoded_seconds=decoded_seconds, pixels=pixels,
            options=CONTAINER_TIMES, on_line=clock.hear,
        )  # fmt: skip
        return clock.told


class _Clock:
    """Hears the metadata filter: `frame:0 pts:1536 pts_time:48.023`, then `shot=key_001`."""

    def __init__(self, start_seconds: float) -> None:
        self._start = start_seconds
        self.told: list[tuple[str, float]] = []
        self._at: float | None = None

    def hear(self, line: str) -> None:
        if "pts_time:" in line:
            text = line.rpartition("pts_time:")[2].strip()
            self._at = None if text == "NOPTS" else max(0.0, float(text) - self._start)
        elif line.startswith("shot=") and self._at is not None:
            self.told.append((line.removeprefix("shot="), self._at))


def _map_tones(picture: Any) -> Any:
    linear = picture.filter("zscale", t="linear", npl=100).filter("format", "gbrpf32le").filter("zscale", p="bt709")
    mapped = linear.filter("tonemap", "hable", desat=0)
    return mapped.filter("zscale", t="bt709", m="bt709", r="tv").filter("format", "yuv420p")
