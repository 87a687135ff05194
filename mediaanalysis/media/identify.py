"""What is it? Decided by the first bytes, never by name or header.

A text that points elsewhere (playlists, manifests, session descriptions) is refused whatever it is called: it is
no media, and following it would read other files and other machines.
"""

from __future__ import annotations

import re
import struct
from collections.abc import Callable, Iterator

from mediaanalysis.errors import MediaError
from mediaanalysis.media import plain_text
from mediaanalysis.structs.media import Identity
from mediaanalysis.structs.requests import MediaType

HEAD_BYTES = 65_536
VIDEO, AUDIO, IMAGE, DOCUMENT = MediaType.VIDEO, MediaType.AUDIO, MediaType.IMAGE, MediaType.DOCUMENT
OFFICE = "application/vnd.openxmlformats-officedocument"

MP4 = Identity(VIDEO, "video/mp4", "mp4", "mov")
MOV = Identity(VIDEO, "video/quicktime", "mov", "mov")
TS = Identity(VIDEO, "video/mp2t", "ts", "mpegts")
MP3 = Identity(AUDIO, "audio/mpeg", "mp3", "mp3")
AAC = Identity(AUDIO, "audio/aac", "aac", "aac")
OGG = Identity(AUDIO, "audio/ogg", "ogg", "ogg")

SIGNATURES: tuple[tuple[re.Pattern[bytes], Identity], ...] = tuple(
    (re.compile(pattern, re.DOTALL), identity)
    for pattern, identity in (
        (rb"....ftyp(?:avif|avis)", Identity(IMAGE, "image/avif", "avif")),
        (rb"....ftypM4[AB]", Identity(AUDIO, "audio/mp4", "m4a", "mov")),
        (rb"....ftyp3g", Identity(VIDEO, "video/3gpp", "3gp", "mov")),
        (rb"....ftypqt", MOV),
        (rb"....ftyp(?!hei|hev|mif1|msf1|crx|jxl)", MP4),
        (rb"[\x00-\x08]...(?:moov|mdat|wide|free|skip|pnot)", MOV),
        (rb"\x1aE\xdf\xa3.{0,60}?webm", Identity(VIDEO, "video/webm", "webm", "matroska")),
        (rb"\x1aE\xdf\xa3", Identity(VIDEO, "video/x-matroska", "mkv", "matroska")),
        (rb"RIFF....AVI ", Identity(VIDEO, "video/x-msvideo", "avi", "avi")),
        (rb"FLV\x01", Identity(VIDEO, "video/x-flv", "flv", "flv")),
        (rb"\x30\x26\xb2\x75\x8e\x66\xcf\x11", Identity(VIDEO, "video/x-ms-asf", "wmv", "asf")),
        (rb"\x00\x00\x01[\xba\xb3]", Identity(VIDEO, "video/mpeg", "mpg", "mpeg")),
        (rb"OggS.{0,200}?\x80theora", Identity(VIDEO, "video/ogg", "ogv", "ogg")),
        (rb"G.{187}G.{187}G", TS),
        (rb"....G.{191}G.{191}G", TS),
        (rb"OggS", OGG),
        (rb"(?:RIFF|RF64)....WAVE", Identity(AUDIO, "audio/wav", "wav", "wav")),
        (rb"riff\x2e\x91\xcf\x11", Identity(AUDIO, "audio/wav", "w64", "w64")),
        (rb"fLaC", Identity(AUDIO, "audio/flac", "flac", "flac")),
        (rb"FORM....AIF[FC]", Identity(AUDIO, "audio/aiff", "aiff", "aiff")),
        (rb"#!AMR", Identity(AUDIO, "audio/amr", "amr", "amr")),
        (rb"caff\x00\x01", Identity(AUDIO, "audio/x-caf", "caf", "caf")),
        (rb"ID3[\x02-\x04]", MP3),
        (rb"\xff[\xf0\xf1\xf8\xf9].{5}", AAC),
        (rb"\xff[\xe2-\xe7\xf2-\xf7\xfa\xfb][\x10-\xeb]", MP3),
        (rb"\x89PNG\r\n\x1a\n", Identity(IMAGE, "image/png", "png")),
        (rb"\xff\xd8\xff", Identity(IMAGE, "image/jpeg", "jpg")),
        (rb"GIF8[79]a", Identity(IMAGE, "image/gif", "gif")),
        (rb"RIFF....WEBP", Identity(IMAGE, "image/webp", "webp")),
        (rb"BM.{12}[\x0c\x28\x34\x38\x40\x6c\x7c]\x00\x00\x00", Identity(IMAGE, "image/bmp", "bmp")),
        (rb"II\*\x00|MM\x00\*", Identity(IMAGE, "image/tiff", "tiff")),
        (rb".{0,1000}?%PDF-\d", Identity(DOCUMENT, "application/pdf", "pdf")),
        (rb"\{\\rtf", Identity(DOCUMENT, "application/rtf", "rtf")),
        (rb"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1", Identity(DOCUMENT, "application/msword", "doc")),
    )
)
"""In this order; each pattern is matched at the first byte."""

PACKAGES: tuple[tuple[bytes, Identity], ...] = (
    (b"word/", Identity(DOCUMENT, f"{OFFICE}.wordprocessingml.document", "docx")),
    (b"xl/", Identity(DOCUMENT, f"{OFFICE}.spreadsheetml.sheet", "xlsx")),
    (b"ppt/", Identity(DOCUMENT, f"{OFFICE}.presentationml.presentation", "pptx")),
    (b"mimetypeapplication/vnd.oasis.opendocument", Identity(DOCUMENT, "application/vnd.oasis.opendocument", "odt")),
    (b"mimetypeapplication/epub+zip", Identity(DOCUMENT, "application/epub+zip", "epub")),
)
"""A zip is known by the names of its members. Kinds that no reader takes are refused by the reader of documents."""
ZIP = b"PK\x03\x04"
MEMBER_HEADER = struct.Struct("<26xHH")
"""After the signature: lengths of the name that follows, and of the extra field."""


def identify(head: bytes) -> Identity:
    """The kind of file that starts with `head` (its first HEAD_BYTES, or all of it).

    Raises MediaError media_empty or media_unsupported. What it names may still turn out damaged.
    """
    if not head:
        raise MediaError("The file is empty.", code="media_empty")
    steps: tuple[Callable[[bytes], Identity | None], ...] = (_package, plain_text.marked, _signature, plain_text.plain)
    for step in steps:
        if identity := step(head):
            return identity
    raise MediaError("The file is of no kind that can be read: its first bytes are unknown.", code="media_unsupported")


def _signature(head: bytes) -> Identity | None:
    return next((identity for pattern, identity in SIGNATURES if pattern.match(head)), None)


def _package(head: bytes) -> Identity | None:
    if not head.startswith(ZIP):
        return None
    members = list(_members(head))
    for start, identity in PACKAGES:
        if any(member.startswith(start) for member in members):
            return identity
    raise MediaError("Archives are not read: send the file that is in it.", code="media_unsupported")


def _members(head: bytes) -> Iterator[bytes]:
    """The name of each member that starts in `head`, and the first of its bytes."""
    for found in re.finditer(re.escape(ZIP), head[: -MEMBER_HEADER.size]):
        length, _ = MEMBER_HEADER.unpack_from(head, found.start())
        name = found.start() + MEMBER_HEADER.size
        yield head[name : name + length + 64]
