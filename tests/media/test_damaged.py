"""Damage that mutations found: what stumbles over it differs, the answer is the same."""

from __future__ import annotations

import io
import struct
import zipfile
from collections.abc import Callable
from pathlib import Path

import docx
import pytest

from mediaanalysis.errors import MediaError
from mediaanalysis.media.children import documents

DIRECTORY, END = b"PK\x01\x02", b"PK\x05\x06"


def _word() -> bytes:
    into = io.BytesIO()
    docx.Document().save(into)
    return into.getvalue()


def _directory_moved(word: bytes) -> bytes:
    """It says that it begins before the file does."""
    at = word.rindex(END) + 16
    return word[:at] + struct.pack("<I", 0x7FFFFFFF) + word[at + 4 :]


def _members_encrypted(word: bytes) -> bytes:
    return word.replace(DIRECTORY + word[word.index(DIRECTORY) + 4 :][:4] + b"\0\0", DIRECTORY + b"\x14\x03\x14\0\1\0")


def _packing_unknown(word: bytes) -> bytes:
    at = word.index(DIRECTORY) + 10
    return word[:at] + struct.pack("<H", 99) + word[at + 2 :]


def _without(name: str) -> Callable[[bytes], bytes]:
    def change(word: bytes) -> bytes:
        into = io.BytesIO()
        with zipfile.ZipFile(io.BytesIO(word)) as old, zipfile.ZipFile(into, "w") as new:
            for each in old.namelist():
                new.writestr(each, b"<x/>" if each == name else old.read(each))
        return into.getvalue()

    return change


@pytest.mark.parametrize(
    "damage",
    [
        _directory_moved,
        _members_encrypted,
        _packing_unknown,
        _without("word/document.xml"),
        _without("word/styles.xml"),
        _without("[Content_Types].xml"),
        _without("_rels/.rels"),
    ],
)
def test_a_word_document_that_nobody_can_open_is_damaged(tmp_path: Path, damage: Callable[[bytes], bytes]) -> None:
    path = tmp_path / "original"
    path.write_bytes(damage(_word()))
    request = {"path": str(path), "extension": "docx", "into": str(tmp_path), "max_pages": 9, "max_characters": 999}
    with pytest.raises(MediaError) as raised:
        documents.handle(request)
    assert raised.value.code == "media_damaged"
