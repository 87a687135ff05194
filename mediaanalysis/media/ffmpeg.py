"""The only builder of ffmpeg and ffprobe command lines. Graphs are described by ffmpeg-python and run in the sandbox.

Whatever is built here carries the guards: only local files, only known containers (a protocol whitelist alone lets a
playlist named .mp4 read other files), bounded pictures, bounded output, no metadata carried over, no stdin.
"""

from __future__ import annotations

import math
import shutil
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import ffmpeg
import msgspec
from msgspec import Struct

from mediaanalysis.errors import ConfigurationError, MediaError
from mediaanalysis.sandbox import Completed, Limits, Reach, Sandbox

DEMUXERS = (
    "mov,mp4,m4a,3gp,3g2,mj2,matroska,webm,avi,mpegts,mpeg,mpegvideo,flv,asf,ogg,mp3,aac,wav,w64,flac,aiff,amr,caf"
)
"""Containers that hold their media themselves. None of them follows a name to another file."""
FILE = "file:"
MAX_PIXELS = 67_108_864
MAX_OUTPUT_BYTES = 2 * 1024**3
GUARDS: dict[str, Any] = {
    "protocol_whitelist": "file",
    "format_whitelist": DEMUXERS,
    "max_pixels": MAX_PIXELS,
    "threads": 1,
}
QUIET = ("-nostdin", "-hide_banner", "-loglevel", "error")
ONE_THREAD = ("-filter_complex_threads", "1")
"""Per graph: many small graphs in one process start faster so, and stay in their slot."""
PROBE = ("-analyzeduration", "10M", "-probesize", "10M", "-show_format", "-show_streams", "-of", "json")
FIRST_PACKET = ("-show_packets", "-read_intervals", "%+#1")
"""Only packets tell that they are encrypted."""
PROBE_SECONDS = 30
START_SECONDS, SECONDS_PER_SECOND = 60, 2
"""Time a program gets: to start and seek, and for each second of media that it decodes."""
ENOUGH_BYTES = 640 * 1024**2
BYTES_PER_PIXEL = 96
"""Address space: libraries and stacks; and per pixel of a picture: reference pictures, conversions, filters."""
NEEDED = ("h264", "hevc", "vp9", "av1", "mpeg4", "aac", "mp3", "opus", "vorbis", "flac")
TONE_MAPPERS = frozenset({"zscale", "tonemap"})
GAP_IN_INDEX = "moov atom not found"
NOT_ALLOWED = "not on whitelist"


class Tools(Struct, frozen=True):
    """The installed ffmpeg: its version, what it lacks of what we need, whether it can show HDR on a plain screen."""

    version: str
    missing: tuple[str, ...]
    maps_tones: bool


def read(path: Path, **options: Any) -> Any:
    """An input. Options stand before `-i`; those without a value are given as None."""
    return ffmpeg.input(f"{FILE}{path}", **options, **GUARDS)


def write(stream: Any, filename: str, **options: Any) -> Any:
    """An output, named relative to the working directory: in our own names no `%` can start a pattern."""
    guards = {"fs": MAX_OUTPUT_BYTES, "map_metadata": -1, "map_chapters": -1, "sn": None, "dn": None}
    return ffmpeg.output(stream, filename, **guards, **options)


async def run(
    sandbox: Sandbox,
    outputs: Sequence[Any],
    *,
    into: Path,
    decoded_seconds: float,
    pixels: int = 0,
    options: Sequence[str] = (),
    on_line: Callable[[str], None] | None = None,
) -> Completed:
    """Make `outputs` in `into`. `options` are global ones. An exit code says little: damaged media exits with 0."""
    command = ["ffmpeg", *QUIET, *ONE_THREAD, "-nostats", "-y", *options]
    argv = ffmpeg.merge_outputs(*outputs).compile(cmd=command)
    reach = Reach(reads=_inputs(argv), writes=(into,))
    return await sandbox.run(argv, limits=limits(decoded_seconds, pixels), reach=reach, on_line=on_line, cwd=into)


def limits(decoded_seconds: float, pixels: int) -> Limits:
    """What a program may use that decodes so many seconds of pictures of so many pixels (all inputs together)."""
    seconds = math.ceil(START_SECONDS + SECONDS_PER_SECOND * decoded_seconds)
    return Limits(
        wall_seconds=seconds,
        cpu_seconds=2 * seconds,
        address_space_bytes=max(1536 * 1024**2, ENOUGH_BYTES + BYTES_PER_PIXEL * pixels),
        file_size_bytes=MAX_OUTPUT_BYTES + 1024**2,
    )


async def describe(sandbox: Sandbox, path: Path) -> dict[str, Any]:
    """What ffprobe says: `format`, `streams`, the first of `packets`.

    Raises MediaError media_unsupported, media_damaged or media_truncated.
    """
    guards = [word for name, value in GUARDS.items() for word in (f"-{name}", str(value))]
    argv = ["ffprobe", *QUIET[1:], *guards, *PROBE, *FIRST_PACKET, f"{FILE}{path}"]
    probing = Limits(wall_seconds=PROBE_SECONDS, cpu_seconds=2 * PROBE_SECONDS)
    done = await sandbox.run(argv, limits=probing, reach=Reach(reads=_inputs(argv)))
    if done.returncode != 0:
        raise _unreadable(done.stderr)
    said: dict[str, Any] = msgspec.json.decode(done.stdout)
    return said


def _inputs(argv: Sequence[str]) -> tuple[Path, ...]:
    """The files that `read` named: nothing else of ours begins so."""
    return tuple(dict.fromkeys(Path(word[len(FILE) :]) for word in argv if word.startswith(FILE)))


def _unreadable(stderr: str) -> MediaError:
    if NOT_ALLOWED in stderr:
        return MediaError("The file is of a kind that is not read.", code="media_unsupported")
    if GAP_IN_INDEX in stderr:
        return MediaError("The file ends before its index (moov): send it again, whole.", code="media_truncated")
    return MediaError("The file cannot be opened: it is damaged, or not what its first bytes say.")


async def measure(sandbox: Sandbox, path: Path) -> float:
    """Seconds of media that are really there, found by reading all of it without decoding."""
    last = Progress()
    everything = write(read(path, fflags="+genpts"), "-", map=0, c="copy", f="null", ignore_unknown=None)
    options = ("-progress", "pipe:1")
    await run(sandbox, [everything], into=path.parent, decoded_seconds=300, options=options, on_line=last.hear)
    return last.seconds


class Progress:
    """Hears `-progress pipe:1`: `seconds` is how far the output has come."""

    def __init__(self) -> None:
        self.seconds = 0.0

    def hear(self, line: str) -> None:
        key, _, value = line.partition("=")
        if key == "out_time_us" and value.lstrip("-").isdigit():
            self.seconds = max(self.seconds, int(value) / 1e6)


def require() -> None:
    """Raise ConfigurationError where the programs are not installed: without them no analysis can be done."""
    missing = [name for name in ("ffmpeg", "ffprobe") if shutil.which(name) is None]
    if missing:
        raise ConfigurationError(
            f"{' and '.join(missing)} not found: install ffmpeg (`make serve` does), or correct PATH"
        )


async def inspect(sandbox: Sandbox) -> Tools:
    """Ask the installed ffmpeg what it can. A missing one lacks everything."""
    try:
        said = [await _list(sandbox, f"-{what}") for what in ("version", "decoders", "demuxers", "filters")]
    except FileNotFoundError:
        return Tools("no ffmpeg", ("ffmpeg", "ffprobe"), maps_tones=False)
    version, decoders, demuxers, filters = said
    known = _second_words(decoders) | {name for names in _second_words(demuxers) for name in names.split(",")}
    missing = tuple(name for name in (*NEEDED, *DEMUXERS.split(",")) if name not in known)
    return Tools(" ".join(version.split()[:3]), missing, maps_tones=_second_words(filters) >= TONE_MAPPERS)


async def _list(sandbox: Sandbox, what: str) -> str:
    limits = Limits(wall_seconds=PROBE_SECONDS, cpu_seconds=PROBE_SECONDS)
    done = await sandbox.run(["ffmpeg", "-hide_banner", what], limits=limits)
    return done.stdout.decode()


def _second_words(listing: str) -> set[str]:
    return {words[1] for words in map(str.split, listing.splitlines()) if len(words) > 1}
