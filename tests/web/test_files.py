from __future__ import annotations

from collections.abc import Awaitable, Callable
from uuid import UUID

import httpx
import pytest

from mediaanalysis.storage.storage import Storage
from mediaanalysis.store import files, transcriptions
from mediaanalysis.store.pool import Database
from mediaanalysis.structs.transcript import Transcript, Word

DATA = bytes(range(256)) * 20
TRANSCRIPT = Transcript(
    "Ask not. <b>", "local", "m", words=(Word("Ask", 0, 0.5), Word("not.", 0.5, 1), Word("<b>", 3, 4))
)

Submit = Callable[..., Awaitable[UUID]]
Become = Callable[[UUID, str], Awaitable[None]]
Keep = Callable[..., Awaitable[None]]


@pytest.fixture
async def sheet(submit: Submit, keep: Keep) -> str:
    """Address of a contact sheet."""
    analysis_id = await submit()
    await keep(analysis_id, "contact_sheet", "contact_sheet.jpg", DATA, "image/jpeg")
    return f"/api/media/{analysis_id}/contact-sheet"


async def test_a_file_is_served_whole_and_harmless(client: httpx.AsyncClient, sheet: str) -> None:
    answer = await client.get(sheet)
    assert (answer.status_code, answer.content) == (200, DATA)
    assert answer.headers["content-type"] == "image/jpeg"
    assert answer.headers["content-length"] == str(len(DATA))
    assert answer.headers["accept-ranges"] == "bytes"
    assert answer.headers["x-content-type-options"] == "nosniff"
    assert answer.headers["content-security-policy"] == "default-src 'none'; sandbox"
    assert answer.headers["content-disposition"].startswith("inline; ")
    unchanged = await client.get(sheet, headers={"if-none-match": answer.headers["etag"]})
    assert (unchanged.status_code, unchanged.content) == (304, b"")


@pytest.mark.parametrize(
    ("asked", "start", "end"),
    [("bytes=0-9", 0, 10), ("bytes=5000-", 5000, 5120), ("bytes=-20", 5100, 5120), ("bytes=5119-99999", 5119, 5120)],
)
async def test_ranges(client: httpx.AsyncClient, sheet: str, asked: str, start: int, end: int) -> None:
    answer = await client.get(sheet, headers={"range": asked})
    assert (answer.status_code, answer.content) == (206, DATA[start:end])
    assert answer.headers["content-range"] == f"bytes {start}-{end - 1}/5120"
    assert answer.headers["content-length"] == str(end - start)


@pytest.mark.parametrize("n", ["0", "2", "-1", "one", "\u0661", "9" * 5000])
async def test_no_such_frame(client: httpx.AsyncClient, submit: Submit, keep: Keep, n: str) -> None:
    analysis_id = await submit()
    await keep(analysis_id, "frame", "frame_001.jpg", b"x", "image/jpeg", at_seconds=0.5)
    answer = await client.get(f"/api/media/{analysis_id}/frames/{n}")
    assert (answer.status_code, answer.json()["code"]) == (409, "not_ready")


async def test_a_range_outside(client: httpx.AsyncClient, sheet: str) -> None:
    answer = await client.get(sheet, headers={"range": "bytes=5120-"})
    assert (answer.status_code, answer.json()["code"]) == (416, "range_not_satisfiable")
    assert answer.headers["content-range"] == "bytes */5120"


async def test_a_range_of_another_version_gets_the_whole(client: httpx.AsyncClient, sheet: str) -> None:
    answer = await client.get(sheet, headers={"range": "bytes=0-9", "if-range": '"other"'})
    assert (answer.status_code, len(answer.content)) == (200, len(DATA))


async def test_head(client: httpx.AsyncClient, sheet: str) -> None:
    answer = await client.head(sheet, headers={"range": "bytes=0-9"})
    assert (answer.status_code, answer.content, answer.headers["content-length"]) == (200, b"", "5120")


async def test_frames_are_listed_and_served_in_the_order_of_time(
    client: httpx.AsyncClient, submit: Submit, keep: Keep
) -> None:
    analysis_id = await submit()
    for name, at in (("frame_002.jpg", 7.5), ("frame_001.jpg", 0.0), ("frame_003.jpg", 9.25)):
        await keep(analysis_id, "frame", name, name.encode(), "image/jpeg", at_seconds=at, width=4, height=3)
    listed = (await client.get(f"/api/media/{analysis_id}/frames")).json()
    assert [(each["n"], each["at_seconds"]) for each in listed["frames"]] == [(1, 0.0), (2, 7.5), (3, 9.25)]
    assert (await client.get(listed["frames"][1]["url"])).content == b"frame_002.jpg"
    for n in ("0", "4", "x", "²"):
        assert (await client.get(f"/api/media/{analysis_id}/frames/{n}")).json()["code"] == "not_ready"


async def test_what_is_not_there_yet_and_what_will_never_be(
    client: httpx.AsyncClient, submit: Submit, become: Become
) -> None:
    analysis_id = await submit()
    paths = ("contact-sheet", "frames/1", "transcript", "files/a.txt")
    for path in paths:
        early = await client.get(f"/api/media/{analysis_id}/{path}")
        assert (early.status_code, early.json()["code"], "retry-after" in early.headers) == (409, "not_ready", True)
    await become(analysis_id, "completed")
    for path in paths:
        late = await client.get(f"/api/media/{analysis_id}/{path}")
        assert (late.status_code, late.json()["code"]) == (404, "not_found")


async def test_files_that_left_storage(
    client: httpx.AsyncClient, submit: Submit, keep: Keep, database: Database, storage: Storage
) -> None:
    analysis_id = await submit()
    await keep(analysis_id, "output", "summary.txt", b"text", "text/plain")
    address = f"/api/media/{analysis_id}/files/summary.txt"
    row = await files.find(database.pool, analysis_id, "summary.txt")
    assert row is not None
    await storage.delete([row.storage_path])
    assert (await client.get(address)).json()["code"] == "expired"
    await files.mark_deleted(database.pool, [row.id])
    gone = await client.get(address)
    assert (gone.status_code, gone.json()["code"]) == (410, "expired")


@pytest.mark.parametrize("name", ["%2e%2e", "..%2F..%2Fetc%2Fpasswd", "%00", "a%00b", "%2e%2e%2f", "x" * 400])
async def test_names_are_never_paths(client: httpx.AsyncClient, submit: Submit, become: Become, name: str) -> None:
    analysis_id = await submit()
    await become(analysis_id, "completed")
    answer = await client.get(f"/api/media/{analysis_id}/files/{name}")
    assert answer.status_code in (404, 405)


async def test_what_a_browser_could_run_is_a_download_with_an_encoded_name(
    client: httpx.AsyncClient, submit: Submit, keep: Keep
) -> None:
    analysis_id = await submit()
    name = 'ü "quoted"\r\nX-Evil: 1.html'
    await keep(analysis_id, "original", "original.html", b"<script>", "text/html", original_path=name)
    answer = await client.get(f"/api/media/{analysis_id}/files/original.html")
    assert answer.headers["content-disposition"] == (
        'attachment; filename="_ _quoted___X-Evil: 1.html"; '
        "filename*=UTF-8''%C3%BC%20%22quoted%22%0D%0AX-Evil%3A%201.html"
    )
    assert "x-evil" not in answer.headers


@pytest.mark.parametrize(
    ("form", "media_type", "start"),
    [
        ("json", "application/json", '{"text":"Ask not. <b>"'),
        ("txt", "text/plain; charset=utf-8", "Ask not. <b>\n"),
        ("srt", "application/x-subrip; charset=utf-8", "1\n00:00:00,000 --> 00:00:01,000\nAsk not.\n\n2\n"),
        ("vtt", "text/vtt; charset=utf-8", "WEBVTT\n\n00:00:00.000 --> 00:00:01.000\nAsk not.\n\n00:00:03.000"),
    ],
)
async def test_a_transcript_in_four_forms(
    client: httpx.AsyncClient, submit: Submit, database: Database, form: str, media_type: str, start: str
) -> None:
    analysis_id = await submit()
    await transcriptions.put(database.pool, analysis_id, TRANSCRIPT)
    address = f"/api/media/{analysis_id}/transcript"
    answer = await client.get(address, params={"format": form})
    assert answer.headers["content-type"] == media_type
    assert answer.text.startswith(start)
    again = await client.get(address, params={"format": form}, headers={"if-none-match": answer.headers["etag"]})
    assert again.status_code == 304
    bad = await client.get(address, params={"format": "doc"})
    assert (bad.status_code, bad.json()["errors"][0]["pointer"]) == (400, "/format")


async def test_a_whole_result(
    client: httpx.AsyncClient, submit: Submit, become: Become, keep: Keep, database: Database
) -> None:
    analysis_id = await submit()
    await transcriptions.put(database.pool, analysis_id, TRANSCRIPT)
    await keep(analysis_id, "frame", "frame_001.jpg", b"x", "image/jpeg", at_seconds=0.5)
    await database.pool.execute(
        """insert into media_analysis_results (request_id, analysis_type, result_text, summary, topics, model_used,
                                               prompt_used, provider, input_tokens, cost_usd, metadata)
           values ($1, 'video', 'It is a talk.', 'A talk.', '{talk}', 'm', 'What is it?', 'local', 3, 0.25, $2)""",
        analysis_id,
        {"extractive": True},
    )
    await become(analysis_id, "completed")
    body = (await client.get(f"/api/media/{analysis_id}")).json()
    assert (body["status"], body["result_text"], body["topics"]) == ("completed", "It is a talk.", ["talk"])
    assert body["usage"] == {"input_tokens": 3, "output_tokens": 0, "cost_usd": 0.25}
    assert body["provenance"]["extractive"] is True
    assert body["transcript"]["words"][0]["text"] == "Ask"
    (file,) = body["files"]
    assert (await client.get(file["url"])).content == b"x"
