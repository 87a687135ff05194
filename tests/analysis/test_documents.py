"""Documents from upload to answer."""

from __future__ import annotations

from pathlib import Path

import httpx
import pytest
from docx import Document

from tests.analysis.conftest import Analyze

LINES = ("Quarterly report", "Revenue rose to 4.2 million euros in spring.", "The Oslo office closes in June.")


def _docx(path: Path) -> None:
    document = Document()
    for line in LINES:
        document.add_paragraph(line)
    document.save(str(path))


WRITERS = {
    "report.txt": lambda path: path.write_text("\n".join(LINES)),
    "report.md": lambda path: path.write_text("# " + "\n\n".join(LINES)),
    "report.csv": lambda path: path.write_text(
        "what,said\n" + "\n".join(f'{n},"{line}"' for n, line in enumerate(LINES))
    ),
    "report.html": lambda path: path.write_text(
        f"<!doctype html><title>{LINES[0]}</title><script>var x=1</script><p>{LINES[1]}</p><p>{LINES[2]}</p>"
    ),
    "report.docx": _docx,
}


@pytest.mark.parametrize("name", WRITERS)
async def test_a_document_answers_its_prompt(
    analyze: Analyze, client: httpx.AsyncClient, tmp_path: Path, name: str
) -> None:
    path = tmp_path / name
    WRITERS[name](path)
    result = await analyze(path, to="documents", prompt="How much revenue was there?")
    assert result["status"] == "completed", result["error_message"]
    assert result["media_type"] == "document"
    assert "4.2 million" in result["result_text"]
    assert "Oslo" in " ".join(page["text"] for page in result["pages"])
    assert "var x" not in str(result["pages"])
    assert result["progress"] == 100
    output = await client.get(f"/api/media/{result['analysis_id']}/files/result.json")
    assert output.json()["answer"]["text"] == result["result_text"]


@pytest.mark.parametrize(
    ("content", "code"),
    [
        (b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1" + bytes(2000), "converter_missing"),
        (b"%PDF-1.7\n" + b"nonsense" * 100, "media_damaged"),
    ],
)
async def test_a_document_that_cannot_be_read_says_why(
    analyze: Analyze, tmp_path: Path, content: bytes, code: str
) -> None:
    path = tmp_path / "report.doc"
    path.write_bytes(content)
    result = await analyze(path)
    assert result["status"] == "failed"
    assert result["error_code"] == code
    assert result["error_message"]


async def test_another_type_than_required_is_refused_by_content(analyze: Analyze, tmp_path: Path) -> None:
    path = tmp_path / "film.mp4"
    path.write_text("not a film")
    result = await analyze(path, to="video")
    assert result["error_code"] == "media_type_mismatch"
    assert "document" in result["error_message"]
