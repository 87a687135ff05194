"""Text in pictures: read in the order a person reads it, in every format, within bounds."""

from __future__ import annotations

import struct
import zlib
from collections.abc import AsyncIterator
from pathlib import Path
from tempfile import gettempdir

import pytest
import pytest_asyncio
from PIL import Image, ImageDraw

from mediaanalysis.errors import MediaError
from mediaanalysis.media import text
from mediaanalysis.media.children import ocr
from mediaanalysis.media.reading_order import in_reading_order
from mediaanalysis.sandbox import Resident, Sandbox
from mediaanalysis.structs.media import TextLine

MAX_PIXELS = 10**7


@pytest_asyncio.fixture(scope="session")
async def eye() -> AsyncIterator[Resident]:
    resident = text.resident(Sandbox(1, work=(Path(gettempdir()),)), idle_seconds=60)
    yield resident
    await resident.aclose()


def sign(words: str, size: tuple[int, int] = (480, 120), mode: str = "RGB") -> Image.Image:
    picture = Image.new(mode, size, (0, 0, 0, 0) if mode == "RGBA" else "white")
    ImageDraw.Draw(picture).text((30, 30), words, fill="black", font_size=40)
    return picture


def lines(path: Path, max_pixels: int = MAX_PIXELS) -> list[ocr.Line]:
    return ocr.handle({"picture": str(path), "max_pixels": max_pixels})


@pytest.mark.parametrize("extension", ["png", "jpg", "gif", "webp"])
def test_text_is_read_in_every_format(tmp_path: Path, extension: str) -> None:
    path = tmp_path / f"sign.{extension}"
    sign("Platform 12").save(path)
    ((words, confidence, (left, top, right, bottom)),) = lines(path)
    assert words == "Platform 12"
    assert confidence > 0.9
    assert 0 < left < right < 480
    assert 0 < top < bottom < 120


def test_black_letters_on_nothing_are_read(tmp_path: Path) -> None:
    path = tmp_path / "sign.png"
    sign("Transparent", mode="RGBA").save(path)
    assert lines(path)[0][0] == "Transparent"


def test_a_picture_is_turned_upright_and_boxes_are_in_its_pixels(tmp_path: Path) -> None:
    path = tmp_path / "turned.jpg"
    exif = Image.Exif()
    exif[0x0112] = 6
    sign("Upright").transpose(Image.Transpose.ROTATE_90).save(path, exif=exif)
    ((words, _, box),) = lines(path)
    assert words == "Upright"
    assert box[2] <= 480


def test_a_large_picture_is_made_smaller_and_its_boxes_are_not(tmp_path: Path) -> None:
    path = tmp_path / "large.png"
    sign("Large").resize((4800, 1200)).save(path)
    ((words, _, box),) = lines(path)
    assert words == "Large"
    assert box[2] > 1000


def test_a_picture_without_text_gives_no_line(tmp_path: Path) -> None:
    path = tmp_path / "plain.png"
    Image.new("RGB", (320, 240), "steelblue").save(path)
    assert lines(path) == []


def chunk(content: bytes) -> bytes:
    return struct.pack(">I", len(content) - 4) + content + struct.pack(">I", zlib.crc32(content))


def test_too_many_pixels_are_refused_before_decoding(tmp_path: Path) -> None:
    path = tmp_path / "bomb.png"
    header = b"IHDR" + struct.pack(">IIBBBBB", 30_000, 30_000, 8, 2, 0, 0, 0)
    path.write_bytes(b"\x89PNG\r\n\x1a\n" + chunk(header) + chunk(b"IDAT") + chunk(b"IEND"))
    with pytest.raises(MediaError) as raised:
        lines(path)
    assert raised.value.code == "media_too_large"


@pytest.mark.parametrize("keep", [0, 10, 300])
def test_damaged_pictures_are_media_errors(tmp_path: Path, keep: int) -> None:
    path = tmp_path / "cut.png"
    sign("Cut").save(path)
    path.write_bytes(path.read_bytes()[:keep])
    with pytest.raises(MediaError) as raised:
        lines(path)
    assert raised.value.code == "media_damaged"


async def test_a_child_reads_pictures_in_turn(eye: Resident, tmp_path: Path) -> None:
    paths = [tmp_path / "one.png", tmp_path / "two.png"]
    sign("First").save(paths[0])
    sign("Second").save(paths[1])
    read = await text.read(eye, paths)
    assert [[line.text for line in found] for found in read] == [["First"], ["Second"]]


def line(words: str, left: int, top: int, right: int) -> TextLine:
    return TextLine(words, 1.0, (left, top, right, top + 20))


def test_a_table_is_read_row_by_row() -> None:
    table = [
        line("12,000", 300, 43, 380),
        line("Rent", 10, 40, 60),
        line("Cost", 300, 10, 350),
        line("Item", 10, 10, 60),
    ]
    assert [each.text for each in in_reading_order(table)] == ["Item", "Cost", "Rent", "12,000"]


def test_words_that_were_found_apart_become_one_line() -> None:
    (joined,) = in_reading_order([line("12", 105, 8, 130), line("Platform", 10, 10, 100)])
    assert (joined.text, joined.box) == ("Platform 12", (10, 8, 130, 30))


def test_columns_of_prose_are_read_one_by_one_below_their_heading() -> None:
    left = [line(f"left {n}", 10, 100 + 30 * n, 290) for n in range(4)]
    right = [line(f"right {n}", 310, 98 + 30 * n, 590) for n in range(4)]
    page = [line("foot", 250, 300, 350), *right, line("heading", 50, 20, 550), *left]
    expected = ["heading", *(f"left {n}" for n in range(4)), *(f"right {n}" for n in range(4)), "foot"]
    assert [each.text for each in in_reading_order(page)] == expected


def test_no_lines_are_in_order() -> None:
    assert in_reading_order([]) == ()
