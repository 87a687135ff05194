from __future__ import annotations

from uuid import UUID

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mediaanalysis.storage import layout
from tests.storage.samples import DAY, ID


def test_keys_are_the_documented_ones() -> None:
    place = f"2026-01-31/{ID}"
    assert layout.original_key(DAY, ID, "mp4") == f"uploads/{place}/original.mp4"
    assert layout.metadata_key(DAY, ID) == f"uploads/{place}/metadata.json"
    assert layout.frame_key(DAY, ID, "frame_001.jpg") == f"frames/{place}/frame_001.jpg"
    assert layout.contact_sheet_key(DAY, ID) == f"contact-sheets/{place}/contact_sheet.jpg"
    assert layout.page_key(DAY, ID, "page_001.png") == f"pages/{place}/page_001.png"
    assert layout.output_key(DAY, ID, "result.json") == f"outputs/{place}/result.json"
    assert layout.audio_key(ID) == f"temp/{ID}/audio.flac"


@pytest.mark.parametrize(
    ("filename", "extension"),
    [
        ("Holiday.MP4", "mp4"),
        ("a.tar.gz", "bin"),
        ("x.mp4/../../etc/passwd", "bin"),
        ("nothing", "bin"),
        (".mp4", "bin"),
        (None, "bin"),
        ("a.mp4\x00", "bin"),
        ("a.php", "bin"),
    ],
)
def test_a_client_name_only_chooses_from_our_table(filename: str | None, extension: str) -> None:
    assert layout.extension_of(filename) == extension


@given(st.text())
def test_no_client_text_gets_into_a_key(text: str) -> None:
    key = layout.original_key(DAY, ID, layout.extension_of(text))
    assert layout.is_key(key)
    assert layout.is_key(layout.original_key(DAY, ID, text))


@pytest.mark.parametrize(
    "filename", ["../x.jpg", "a/b.jpg", "", ".jpg", "a.jpg\n", "A.jpg", "é.jpg", "x" * 70 + ".jpg"]
)
def test_names_of_our_own_files_are_checked_too(filename: str) -> None:
    with pytest.raises(ValueError, match="not a storage key"):
        layout.frame_key(DAY, ID, filename)


@given(st.uuids(), st.dates())
def test_every_id_and_day_makes_a_key(analysis_id: UUID, day: object) -> None:
    assert layout.is_key(layout.metadata_key(day, analysis_id))  # type: ignore[arg-type]


@pytest.mark.parametrize(
    "text", ["/etc/passwd", "../x", f"uploads/2026-01-31/{ID}/../x.mp4", f"temp/{ID}/a/b.flac", f"temp/{ID}.x/a.flac"]
)
def test_other_paths_are_no_keys(text: str) -> None:
    assert not layout.is_key(text)
