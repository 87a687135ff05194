from __future__ import annotations

import contextlib
import io
import os
import time
import zipfile

import pytest

from mediaanalysis.errors import MediaError
from mediaanalysis.media.identify import HEAD_BYTES, identify
from tests.clips import RECIPES, Clips

MADE = [name for name in RECIPES if name.startswith(("plain.", "sound.", "text."))]
KNOWN_AS = {"wma": "wmv"}
"""Whether ASF holds pictures is seen when it is opened."""


@pytest.mark.parametrize("name", MADE)
def test_media_is_known_by_content(clips: Clips, name: str) -> None:
    extension = name.rpartition(".")[2]
    identity = identify(clips(name).read_bytes()[:HEAD_BYTES])
    assert identity.extension.replace("tiff", "tif") == KNOWN_AS.get(extension, extension).replace("tiff", "tif")
    assert identity.mime_type.startswith(f"{identity.media_type}/")


def package(*members: str) -> bytes:
    made = io.BytesIO()
    with zipfile.ZipFile(made, "w") as archive:
        for member in members:
            archive.writestr(member, "x")
    return made.getvalue()


@pytest.mark.parametrize(
    ("head", "extension"),
    [
        (b"%PDF-1.7\n", "pdf"),
        (b"\n\n%PDF-1.4\n", "pdf"),
        (package("[Content_Types].xml", "word/document.xml"), "docx"),
        (package("xl/workbook.xml"), "xlsx"),
        (bytes.fromhex("d0cf11e0a1b11ae1") + bytes(512), "doc"),
        (b"{\\rtf1 hello}", "rtf"),
        (b"x", "txt"),
        (b"I'm free to skip this and mdat too", "txt"),
        (b"RIFF is no chunk of text", "txt"),
        ("Viele Gr\u00fc\u00dfe".encode("cp1252"), "txt"),
        ("\ufeffh\u00e9".encode("utf-16"), "txt"),
        ("\u4e2d\u6587".encode()[:-1], "txt"),
        (b"# Title\n\nText with a [link](there).\n", "md"),
        (b"name;age\nAda;36\nAlan;41\n", "csv"),
        (b'a,b\n"x, y",2\n', "csv"),
        (b"Dear Ada,\n\nI write to you, my friend, to say\n", "txt"),
        (b"<!-- hello -->\n<!DOCTYPE html>\n<title>x</title>", "html"),
        (b"  <HTML><body>", "html"),
    ],
)
def test_documents_are_known_by_content(head: bytes, extension: str) -> None:
    assert identify(head).extension == extension


@pytest.mark.parametrize(
    "head",
    [
        b"\0",
        bytes(4096),
        package("notes.txt"),
        b"#EXTM3U\n#EXTINF:1,\nvictim.ts\n",
        b"ffconcat version 1.0\nfile victim.mp4\n",
        b'<?xml version="1.0"?>\n<MPD xmlns="urn:mpeg:dash:schema:mpd:2011">',
        b"v=0\r\no=- 0 0 IN IP4 127.0.0.1\r\n",
        b"\xef\xbb\xbf#EXTM3U\n",
        b"[playlist]\nFile1=http://localhost/\n",
        b'<svg xmlns="http://www.w3.org/2000/svg"/>',
        b"\0\0\0\x1cftypheic",
        b"\x7fELF" + bytes(60),
    ],
)
def test_the_rest_is_refused(head: bytes) -> None:
    with pytest.raises(MediaError) as caught:
        identify(head)
    assert caught.value.code == "media_unsupported"


@pytest.mark.parametrize(
    "text",
    [
        b"<!-- -->" * 8000 + b"x",
        b"<!-- -->" * 4000 + b"<!--" * 8000,
        b"[" * HEAD_BYTES,
        b"[a](" * 16_000,
        b"[a](b" * 13_000,
        b"v=0" + b"\n" * 65_000,
        b"v=0" + b" \n" * 32_000,
        b"<?xml >" + b" " * 65_000,
        b"ffconcat" + b" " * 65_000,
        b"<!doctype" + b" " * 65_000,
        b"PK\3\4" * 16_000,
        b'"a,' * 21_000,
    ],
)
def test_no_text_takes_long(text: bytes) -> None:
    """It is looked at in the event loop: what took minutes would stop the whole service."""
    started = time.process_time()
    with contextlib.suppress(MediaError):
        identify(text[:HEAD_BYTES])
    assert time.process_time() - started < 0.5


def test_comments_before_a_page_or_a_manifest_are_passed_over() -> None:
    assert identify(b"<!-- a --> <!-- b > c -->\n<html>").extension == "html"
    with pytest.raises(MediaError, match="manifests"):
        identify(b'<?xml version="1.0"?> <!-- a --><!-- b --> <MPD>')


def test_nothing_is_said_to_be_empty() -> None:
    with pytest.raises(MediaError) as caught:
        identify(b"")
    assert caught.value.code == "media_empty"


def test_random_bytes_are_no_media() -> None:
    """One in some hundred looks like the first frame of an MPEG sound; that is for ffprobe to refuse."""
    refused = 0
    for _ in range(200):
        try:
            identify(os.urandom(4096))
        except MediaError:
            refused += 1
    assert refused > 190
