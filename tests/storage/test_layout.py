from __future__ import annotations

from datetime import date
from uuid import UUID

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mediaanalysis.storage import layout
from tests.storage.samples import DAY, ID


@pytest.mark.parametrize(
    ("kind", "filename", "folder"),
    [
        ("original", "original.mp4", "uploads"),
        ("metadata", "metadata.json", "uploads"),
        ("frame", "frame_001.jpg", "frames"),
        ("contact_sheet", "contact_sheet.jpg", "contact-sheets"),
        ("page", "page_001.png", "pages"),
        ("output", "result.json", "outputs"),
    ],
)
def test_keys_are_the_documented_ones(kind: str, filename: str, folder: str) -> None:
    assert layout.key_of(kind, DAY, ID, filename) == f"{folder}/2026-01-31/{ID}/{filename}"
    assert kind in layout.RETENTION_DAYS


@pytest.mark.parametrize(
    "filename", ["../x.jpg", "a/b.jpg", "", ".jpg", "a.jpg\n", "A.jpg", "é.jpg", "x" * 70 + ".jpg"]
)
def test_names_of_our_own_files_are_checked_too(filename: str) -> None:
    with pytest.raises(ValueError, match="not a storage key"):
        layout.key_of("frame", DAY, ID, filename)


@given(st.uuids(), st.dates())
def test_every_id_and_day_makes_a_key(analysis_id: UUID, day: date) -> None:
    assert layout.is_key(layout.key_of("metadata", day, analysis_id, "metadata.json"))


@pytest.mark.parametrize(
    "text", ["/etc/passwd", "../x", f"uploads/2026-01-31/{ID}/../x.mp4", f"temp/{ID}/a.flac", f"temp/{ID}.x/a.flac"]
)
def test_other_paths_are_no_keys(text: str) -> None:
    assert not layout.is_key(text)
