"""Documents: text by page, pictures of pages, bounds, and clear errors for what cannot be read."""

from __future__ import annotations

import time
import zipfile
from collections.abc import AsyncIterator
from pathlib import Path
from tempfile import gettempdir

import docx
import pytest
import pytest_asyncio
from PIL import Image, ImageDraw

from mediaanalysis.errors import MediaError, ResourceError
from mediaanalysis.media import documents
from mediaanalysis.media.children import documents as child
from mediaanalysis.media.children import docx as docx_child
from mediaanalysis.media.children import pdf as pdf_child
from mediaanalysis.media.children.page_text import Found
from mediaanalysis.media.limits import MediaLimits
from mediaanalysis.sandbox import Resident, Sandbox
from mediaanalysis.structs.media import Identity
from mediaanalysis.structs.requests import MediaType
from tests.media.pdf_bytes import encrypted, pdf
from tests.security.media.papers import endless_pdf

LIMITS = MediaLimits(max_seconds=60, max_pixels=10**8, max_pages=500, max_characters=10_000)


@pytest_asyncio.fixture(scope="session")
async def reader() -> AsyncIterator[Resident]:
    resident = documents.resident(Sandbox(1, work=(Path(gettempdir()),)), idle_seconds=60)
    yield resident
    await resident.aclose()


def identity(extension: str) -> Identity:
    return Identity(MediaType.DOCUMENT, "application/octet-stream", extension)


def found(path: Path, extension: str, *, pages: int = 500, characters: int = 10_000) -> Found:
    request = {"path": str(path), "extension": extension, "into": str(path.parent)}
    answer = child.handle({**request, "max_pages": pages, "max_characters": characters})
    assert isinstance(answer, Found)
    return answer


def code(path: Path, extension: str) -> str:
    with pytest.raises(MediaError) as raised:
        found(path, extension)
    return raised.value.code


def file(folder: Path, content: bytes | str) -> Path:
    path = folder / "original"
    path.write_bytes(content.encode() if isinstance(content, str) else content)
    return path


def test_pdf_gives_text_and_pictures_by_page(tmp_path: Path) -> None:
    read = found(file(tmp_path, pdf([["Annual report", "Revenue grew."], ["Outlook"]])), "pdf")
    assert [page.text for page in read.pages] == ["Annual report\nRevenue grew.", "Outlook"]
    assert (read.title, read.page_count) == ("A report", 2)
    with Image.open(tmp_path / "page_002.png") as picture:
        assert picture.size == (read.pages[1].width, read.pages[1].height)
        assert 1700 < max(picture.size) <= 2000


def test_scanned_page_is_known_and_pictured(tmp_path: Path) -> None:
    picture = Image.new("RGB", (620, 877), "white")
    ImageDraw.Draw(picture).text((50, 50), "A scan", fill="black", font_size=40)
    path = tmp_path / "scan.pdf"
    picture.save(path, resolution=75)
    (page,) = found(path, "pdf").pages
    assert page.scanned
    assert page.filename == "page_001.jpg"
    assert (tmp_path / "page_001.jpg").exists()


def test_blank_page_is_not_a_scan(tmp_path: Path) -> None:
    (page,) = found(file(tmp_path, pdf([[]])), "pdf").pages
    assert not page.scanned


def test_page_a_mile_wide_makes_a_picture_of_common_size(tmp_path: Path) -> None:
    (page,) = found(file(tmp_path, pdf([["wide"]], box="0 0 200000 100000")), "pdf").pages
    assert (page.width, page.height) == (2000, 1000)


def test_only_the_first_pages_are_pictured(tmp_path: Path) -> None:
    pages = found(file(tmp_path, pdf([[f"page {n}"] for n in range(25)], box="0 0 50 50")), "pdf").pages
    assert [page.filename is not None for page in pages] == [True] * pdf_child.MAX_PICTURES + [False] * 5


def test_pdf_is_read_within_its_bounds(tmp_path: Path) -> None:
    path = file(tmp_path, pdf([["first page"], ["second page"], ["third page"]]))
    read = found(path, "pdf", pages=2, characters=14)
    assert [page.text for page in read.pages] == ["first page", "seco"]
    assert (read.page_count, read.text_cut) == (3, True)


@pytest.mark.parametrize("content", [pdf([["text"]])[:200], b"%PDF-1.7 and then nothing", pdf([])])
def test_damaged_pdf(tmp_path: Path, content: bytes) -> None:
    assert code(file(tmp_path, content), "pdf") == "media_damaged"


def test_a_page_that_cannot_be_loaded_is_empty_and_the_others_are_read(tmp_path: Path) -> None:
    broken = pdf([["first"], ["second"]]).replace(b"<< /Type /Page /Parent 2 0 R", b"<< /Type /Font          0 R", 1)
    assert [page.text for page in found(file(tmp_path, broken), "pdf").pages] == ["", "second"]


def test_pages_are_counted_where_there_are_any(tmp_path: Path) -> None:
    path = file(tmp_path, pdf([["a"], ["b"]]))
    assert child.handle({"path": str(path), "extension": "pdf", "count": True}) == 2
    assert child.handle({"path": str(path), "extension": "txt", "count": True}) is None


def test_encrypted_pdf(tmp_path: Path) -> None:
    assert code(file(tmp_path, encrypted()), "pdf") == "media_encrypted"


def test_what_is_said_of_one_document_is_not_said_of_the_next(tmp_path: Path) -> None:
    for content, expected in ((endless_pdf(), "media_damaged"), (encrypted(), "media_encrypted")) * 2:
        assert code(file(tmp_path, content), "pdf") == expected


def word(folder: Path) -> Path:
    document = docx.Document()
    document.core_properties.title = "Minutes"
    document.add_paragraph("Present: Ann and Bob.")
    document.add_heading("Budget", 1)
    document.add_paragraph("120,000 EUR were set.")
    table = document.add_table(1, 2)
    table.rows[0].cells[0].text, table.rows[0].cells[1].text = "Rent", "12,000"
    document.add_heading("Rent in detail", 2)
    path = folder / "minutes.docx"
    document.save(str(path))
    return path


def test_word_gives_a_section_for_each_main_heading(tmp_path: Path) -> None:
    read = found(word(tmp_path), "docx")
    said = ["Present: Ann and Bob.", "Budget\n120,000 EUR were set.\nRent | 12,000\nRent in detail"]
    assert [page.text for page in read.pages] == said
    assert read.title == "Minutes"


INSERTED = """<w:sdt><w:sdtContent><w:p><w:r><w:t>In a control</w:t></w:r></w:p></w:sdtContent></w:sdt>
<w:p><w:ins><w:r><w:t>added</w:t></w:r></w:ins><w:del><w:r><w:delText>gone</w:delText></w:r></w:del><w:r><w:tab/></w:r>
</w:p>"""


def test_word_gives_controls_and_insertions_and_no_deletions(tmp_path: Path) -> None:
    namespace = "http://schemas.openxmlformats.org/wordprocessingml/2006/main"
    xml = f'<w:document xmlns:w="{namespace}"><w:body>{INSERTED}</w:body></w:document>'
    read = found(repacked(word(tmp_path), "word/document.xml", xml.encode()), "docx")
    assert [page.text for page in read.pages] == ["In a control\nadded"]


def repacked(path: Path, name: str, content: bytes) -> Path:
    """The same package with one member replaced."""
    with zipfile.ZipFile(path) as archive:
        members = {member: archive.read(member) for member in archive.namelist()}
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        for member, data in {**members, name: content}.items():
            archive.writestr(member, data)
    return path


def test_word_bomb_is_refused_by_its_declared_size(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(docx_child, "MAX_UNPACKED_BYTES", 1024**2)
    assert code(repacked(word(tmp_path), "word/bomb.bin", bytes(1024**2)), "docx") == "media_too_large"


def test_word_entities_are_never_expanded(tmp_path: Path) -> None:
    secret = file(tmp_path, "a secret of this machine")
    namespace = "http://schemas.openxmlformats.org/wordprocessingml/2006/main"
    xml = (
        f'<!DOCTYPE d [<!ENTITY x SYSTEM "file://{secret}">]><w:document xmlns:w="{namespace}">'
        "<w:body><w:p><w:r><w:t>seen: &x;</w:t></w:r></w:p></w:body></w:document>"
    )
    read = found(repacked(word(tmp_path), "word/document.xml", xml.encode()), "docx")
    assert [page.text for page in read.pages] == ["seen:"]


@pytest.mark.parametrize("member", ["word/document.xml", "[Content_Types].xml"])
def test_damaged_word(tmp_path: Path, member: str) -> None:
    assert code(repacked(word(tmp_path), member, b"<no"), "docx") == "media_damaged"


def test_truncated_word(tmp_path: Path) -> None:
    assert code(file(tmp_path, word(tmp_path).read_bytes()[:9000]), "docx") == "media_damaged"


SENTENCE = "Der Bär läuft über die Straße. Café à la crème – déjà vu."  # noqa: RUF001 - the dash is meant


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16", "utf-16-le", "utf-16-be", "utf-32", "cp1252"])
def test_text_is_decoded_by_its_mark_or_its_look(tmp_path: Path, encoding: str) -> None:
    assert found(file(tmp_path, SENTENCE.encode(encoding)), "txt").pages[0].text == SENTENCE


@pytest.mark.parametrize(
    ("text", "encoding"),
    [
        ("Привет, мир! Это проверка кодировки текста в документе.", "cp1251"),
        ("これはテストです。日本語のテキストです。", "shift_jis"),
    ],
)
def test_text_is_decoded_by_its_statistics(tmp_path: Path, text: str, encoding: str) -> None:
    assert found(file(tmp_path, text.encode(encoding)), "txt").pages[0].text == text


def test_text_is_cleaned_and_split_at_form_feeds(tmp_path: Path) -> None:
    read = found(file(tmp_path, "one\r\n\x00\r\n\r\n\r\ntwo  \n\fthree\f \n"), "txt")
    assert [page.text for page in read.pages] == ["one\n\ntwo", "three"]


def test_text_is_read_within_its_bounds(tmp_path: Path) -> None:
    read = found(file(tmp_path, "a" * 5000), "csv", characters=100)
    assert (len(read.pages[0].text), read.text_cut) == (100, True)


def test_text_of_nothing_but_space_has_no_pages(tmp_path: Path) -> None:
    assert found(file(tmp_path, " \n\n"), "txt").pages == []


def test_markdown_gives_a_section_for_each_heading(tmp_path: Path) -> None:
    read = found(file(tmp_path, "# Guide #\nIntro\n```\n# no heading\n```\n## Install\nRun make.\n"), "md")
    assert [page.text for page in read.pages] == [
        "# Guide #\nIntro\n```\n# no heading\n```",
        "## Install\nRun make.",
    ]
    assert read.title == "Guide"


def test_html_gives_what_a_browser_shows(tmp_path: Path) -> None:
    html = (
        "<html><head><title>News &amp; more</title><style>p{}</style></head><body><h1>Bridge\n closed</h1>"
        "<p>Until <b>May</b>.<script>if (a<b) alert('</p>')</script></p><table><tr><td>A<td>B</tr></table>"
    )
    read = found(file(tmp_path, html), "html")
    assert read.pages[0].text.split() == ["Bridge", "closed", "Until", "May.", "A", "B"]
    assert "Bridge closed\n" in read.pages[0].text
    assert read.title == "News & more"


@pytest.mark.parametrize("opening", ["<!--", "<![CDATA[", "<?"])
def test_html_whose_comments_never_end_is_read_in_time(tmp_path: Path, opening: str) -> None:
    assert found(file(tmp_path, "<p>shown<!-- not --></p>" + opening * 100_000), "html").pages[0].text == "shown"


def test_old_formats_need_a_converter(tmp_path: Path) -> None:
    assert code(file(tmp_path, child.COMPOUND_FILE + bytes(600)), "doc") == "converter_missing"


def test_encrypted_office_package(tmp_path: Path) -> None:
    content = child.COMPOUND_FILE + bytes(600) + child.ENCRYPTED_PACKAGE
    assert code(file(tmp_path, content), "doc") == "media_encrypted"


async def test_probe_counts_pages_where_there_are_any(reader: Resident, tmp_path: Path) -> None:
    path = file(tmp_path, pdf([["a"], ["b"]]))
    probe = await documents.probe(reader, path, identity("pdf"), LIMITS)
    assert (probe.pages, probe.format, probe.size_bytes) == (2, "pdf", path.stat().st_size)
    assert (await documents.probe(reader, word(tmp_path), identity("docx"), LIMITS)).pages is None


async def test_a_child_reads_and_says_what_it_left_out(reader: Resident, tmp_path: Path) -> None:
    limits = MediaLimits(max_seconds=1, max_pixels=1, max_pages=2, max_characters=12)
    path = file(tmp_path, pdf([["first page"], ["second page"], ["third page"]]))
    document = await documents.read(reader, path, identity("pdf"), limits, into=tmp_path)
    assert [page.filename for page in document.pages] == ["page_001.png", "page_002.png"]
    assert [notice.code for notice in document.notices] == ["pages_limited", "text_limited"]
    assert "2 of 3" in document.notices[0].message


async def test_a_child_raises_what_is_wrong_with_the_document(reader: Resident, tmp_path: Path) -> None:
    with pytest.raises(MediaError) as raised:
        await documents.probe(reader, file(tmp_path, encrypted()), identity("pdf"), LIMITS)
    assert raised.value.code == "media_encrypted"


@pytest.mark.parametrize(
    "text",
    [
        "# " + "#" * 300_000 + " x",
        "# " + " " * 300_000 + "x",
        "# " + "# " * 150_000 + "x",
        "`" * 300_000,
        " " * 300_000,
    ],
)
def test_no_heading_takes_long(tmp_path: Path, text: str) -> None:
    started = time.process_time()
    found(file(tmp_path, text), "md")
    assert time.process_time() - started < 2


def test_the_title_is_the_first_heading_without_its_marks(tmp_path: Path) -> None:
    assert found(file(tmp_path, "words\n\n# The title #  \n\n## More\n"), "md").title == "The title"


async def test_a_document_that_takes_too_long_is_not_tried_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(documents, "READ_SECONDS", 0.001)
    resident = documents.resident(Sandbox(1, work=(Path(gettempdir()),)), idle_seconds=1)
    path = file(tmp_path, pdf([["Page"]] * 50))
    with pytest.raises(ResourceError) as raised:
        await documents.read(resident, path, identity("pdf"), LIMITS, into=tmp_path)
    await resident.aclose()
    assert (raised.value.code, raised.value.retryable) == ("stage_timeout", False)
