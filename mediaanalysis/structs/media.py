"""What media is: what was sniffed, probed, cut out of it and read in it. Times are seconds from its start."""

from __future__ import annotations

from msgspec import Struct

from mediaanalysis.structs.requests import MediaType


class Notice(Struct, frozen=True):
    """A warning: what could not be done but need not fail the whole. Codes are listed in `errors.WARNINGS`."""

    code: str
    message: str
    stage: str | None = None


class Identity(Struct, frozen=True):
    """What the first bytes say. `demuxer` is the ffmpeg demuxer for video and audio; None for what Pillow
    (images) and the document readers open."""

    media_type: MediaType
    mime_type: str
    extension: str
    demuxer: str | None = None


class VideoStream(Struct, frozen=True):
    """`width` and `height` are as shown: after rotation and with square pixels."""

    index: int
    codec: str
    width: int
    height: int
    frames_per_second: float | None = None
    rotation_degrees: int = 0
    pixel_format: str | None = None
    color_transfer: str | None = None


class AudioStream(Struct, frozen=True):
    index: int
    codec: str
    channels: int
    sample_rate_hz: int
    language: str | None = None
    default: bool = False
    duration_seconds: float | None = None


class MediaProbe(Struct, frozen=True):
    """`duration_seconds` is what the container declares; None where it declares none (images, documents).

    `start_seconds` is the container's timestamp of the start: all our times count from there.
    """

    media_type: MediaType
    mime_type: str
    format: str
    size_bytes: int
    duration_seconds: float | None = None
    start_seconds: float = 0.0
    video: VideoStream | None = None
    audio: tuple[AudioStream, ...] = ()
    pages: int | None = None
    pictures: int | None = None
    notices: tuple[Notice, ...] = ()


class Frame(Struct, frozen=True):
    """One picture out of a video (or a page of a document): its file name, and the true time it is shown at."""

    filename: str
    at_seconds: float
    width: int
    height: int


class Tile(Struct, frozen=True):
    """Where one frame stands on the contact sheet, in pixels."""

    filename: str
    at_seconds: float
    x: int
    y: int
    width: int
    height: int


class ContactSheet(Struct, frozen=True):
    """`grid_layout` is rows x columns, e.g. `2x3`; `resolution` is width x height, e.g. `1920x1080`."""

    filename: str
    grid_layout: str
    resolution: str
    tiles: tuple[Tile, ...]


class Span(Struct, frozen=True):
    start: float
    end: float


class AudioTrack(Struct, frozen=True):
    """Speech-ready audio: 16 kHz mono FLAC. `speech` are the spans with a voice in them, `silences` the quiet ones."""

    filename: str
    duration_seconds: float
    silences: tuple[Span, ...] = ()
    speech: tuple[Span, ...] = ()
    notices: tuple[Notice, ...] = ()


class TextLine(Struct, frozen=True):
    """A line of text read in a picture. `box` is left, top, right, bottom in pixels; `confidence` 0 to 1."""

    text: str
    confidence: float
    box: tuple[int, int, int, int]


class ScreenText(Struct, frozen=True):
    """The text of one picture. `at_seconds` for a video's frame, `page` (1-based) for a document's page."""

    lines: tuple[TextLine, ...]
    filename: str | None = None
    at_seconds: float | None = None
    page: int | None = None

    @property
    def text(self) -> str:
        return "\n".join(line.text for line in self.lines)


class Page(Struct, frozen=True):
    """A page of a document, 1-based. `filename` names its picture, if one was made; `scanned`: no text of its own."""

    number: int
    text: str
    filename: str | None = None
    width: int | None = None
    height: int | None = None
    scanned: bool = False


class Document(Struct, frozen=True):
    pages: tuple[Page, ...]
    title: str | None = None
    notices: tuple[Notice, ...] = ()
