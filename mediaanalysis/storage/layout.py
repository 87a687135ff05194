"""Where every file lies. Keys are relative posix paths, made here and nowhere else, of our own words only:

    uploads/{day}/{id}/original.mp4, metadata.json      frames/{day}/{id}/frame_001.jpg
    contact-sheets/{day}/{id}/contact_sheet.jpg         pages/{day}/{id}/page_001.png
    outputs/{day}/{id}/result.json, summary.txt         temp/{id}.{random}/ (work folders, on local disk)

`day` is the day the analysis was accepted. A client's file name never becomes part of a key.
"""

from __future__ import annotations

import re
from datetime import date
from uuid import UUID

FOLDER_OF: dict[str, str] = {
    "original": "uploads",
    "metadata": "uploads",
    "frame": "frames",
    "contact_sheet": "contact-sheets",
    "page": "pages",
    "output": "outputs",
}
"""Where files of each kind lie."""

RETENTION_DAYS: dict[str, int | None] = {
    "original": 7,
    "metadata": 7,
    "frame": 30,
    "contact_sheet": 30,
    "page": 30,
    "output": None,
}
"""Days a file of each kind is kept; None: as long as its analysis."""

WORK_FOLDER = "temp"
WORK_SECONDS = 24 * 3600
"""What lies in a work folder longer than this was left behind by a worker that died."""

FOLDERS = (*dict.fromkeys(FOLDER_OF.values()), WORK_FOLDER)

_UUID = r"[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}"
_NAME = r"[a-z0-9][a-z0-9_]{0,63}\.[a-z0-9]{1,8}"
_KEY = re.compile(rf"(?:{'|'.join(FOLDERS[:-1])})/\d{{4}}-\d\d-\d\d/{_UUID}/{_NAME}", re.ASCII)


def key_of(kind: str, day: date, analysis_id: UUID, filename: str) -> str:
    """The key of a file. Raises ValueError for a name that is not one of ours: a programming error."""
    return check(f"{FOLDER_OF[kind]}/{day.isoformat()}/{analysis_id}/{filename}")


def is_key(text: str) -> bool:
    return _KEY.fullmatch(text) is not None


def check(key: str) -> str:
    """The key itself. Raises ValueError for anything this module could not have made: a programming error."""
    if not is_key(key):
        raise ValueError(f"not a storage key: {key!r}")
    return key
