"""Where every file lies. Keys are relative posix paths, made here and nowhere else, of our own words only:

    uploads/{day}/{id}/original.mp4, metadata.json      frames/{day}/{id}/frame_001.jpg
    contact-sheets/{day}/{id}/contact_sheet.jpg         pages/{day}/{id}/page_001.png
    outputs/{day}/{id}/result.json, summary.txt         temp/{id}/audio.flac

`day` is the day of the upload. A client's file name never becomes part of a key; it only chooses an extension from
our own table, and even that is decoration: what a file is, its bytes say.
"""

from __future__ import annotations

import re
from datetime import date
from pathlib import PurePosixPath
from uuid import UUID

RETENTION_DAYS: dict[str, int | None] = {
    "original": 7,
    "frame": 30,
    "contact_sheet": 30,
    "page": 30,
    "audio": 1,
    "output": None,
}
"""Days a file of each kind is kept; None: as long as its analysis."""

WORK_FOLDER = "temp"
WORK_SECONDS = 24 * 3600
"""What lies in a work folder longer than this was left behind by a worker that died."""

FOLDERS = ("uploads", "frames", "contact-sheets", "pages", "outputs", WORK_FOLDER)

FOLDER_OF: dict[str, str] = {
    "original": "uploads",
    "frame": "frames",
    "contact_sheet": "contact-sheets",
    "page": "pages",
    "output": "outputs",
}

UNKNOWN_EXTENSION = "bin"
# fmt: off
EXTENSIONS = frozenset({
    "3g2", "3gp", "asf", "avi", "flv", "m2ts", "m4v", "mkv", "mov", "mp4", "mpeg", "mpg", "mts", "ogv", "ts", "webm",
    "wmv", "aac", "aif", "aiff", "amr", "caf", "flac", "m4a", "mka", "mp2", "mp3", "oga", "ogg", "opus", "wav", "wma",
    "bmp", "gif", "jpeg", "jpg", "png", "tif", "tiff", "webp",
    "csv", "doc", "docx", "htm", "html", "json", "markdown", "md", "pdf", "rtf", "txt", "xml",
})
# fmt: on

_UUID = r"[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}"
_NAME = re.compile(r"[a-z0-9][a-z0-9_]{0,63}\.[a-z0-9]{1,8}")
_KEY = re.compile(
    rf"(?:(?:{'|'.join(FOLDERS[:-1])})/\d{{4}}-\d\d-\d\d|{WORK_FOLDER})/{_UUID}/{_NAME.pattern}", re.ASCII
)


def extension_of(filename: str | None) -> str:
    """The extension to store a client's file under: one of `EXTENSIONS`, or `bin`."""
    suffix = PurePosixPath(filename or "").suffix[1:].lower()
    return suffix if suffix in EXTENSIONS else UNKNOWN_EXTENSION


def original_key(day: date, analysis_id: UUID, extension: str) -> str:
    known = extension if extension in EXTENSIONS else UNKNOWN_EXTENSION
    return _key("uploads", day, analysis_id, f"original.{known}")


def metadata_key(day: date, analysis_id: UUID) -> str:
    return _key("uploads", day, analysis_id, "metadata.json")


def artifact_key(kind: str, day: date, analysis_id: UUID, filename: str) -> str:
    """The key of a file of the given kind (`media_files.kind`)."""
    return _key(FOLDER_OF[kind], day, analysis_id, filename)


def frame_key(day: date, analysis_id: UUID, filename: str) -> str:
    return _key("frames", day, analysis_id, filename)


def contact_sheet_key(day: date, analysis_id: UUID) -> str:
    return _key("contact-sheets", day, analysis_id, "contact_sheet.jpg")


def page_key(day: date, analysis_id: UUID, filename: str) -> str:
    return _key("pages", day, analysis_id, filename)


def output_key(day: date, analysis_id: UUID, filename: str) -> str:
    return _key("outputs", day, analysis_id, filename)


def audio_key(analysis_id: UUID) -> str:
    return check(f"{WORK_FOLDER}/{analysis_id}/audio.flac")


def is_key(text: str) -> bool:
    return _KEY.fullmatch(text) is not None


def check(key: str) -> str:
    """The key itself. Raises ValueError for anything this module could not have made: a programming error."""
    if not is_key(key):
        raise ValueError(f"not a storage key: {key!r}")
    return key


def _key(folder: str, day: date, analysis_id: UUID, filename: str) -> str:
    return check(f"{folder}/{day.isoformat()}/{analysis_id}/{filename}")
