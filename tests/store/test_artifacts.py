"""What the stages leave: checkpoints, files, the sheet, the transcript, the result; and what the sweep finds of it."""

from __future__ import annotations

from typing import Any
from uuid import UUID, uuid4

import msgspec
import pytest

from mediaanalysis.errors import StoreError
from mediaanalysis.store import (
    contact_sheets,
    files,
    idempotency,
    provider_calls,
    results,
    stages,
    transcriptions,
)
from mediaanalysis.store.files import NewFile
from mediaanalysis.store.pool import Pool
from mediaanalysis.store.stages import StageEnd
from mediaanalysis.structs.answers import Answer, Evidence
from mediaanalysis.structs.media import ContactSheet, Tile
from mediaanalysis.structs.requests import MediaType
from mediaanalysis.structs.transcript import Gap, Segment, Transcript, Word
from mediaanalysis.structs.usage import Call
from tests.store.cases import HASH, OWNER, accepted, claimed, delete

OTHER = "cd" * 32


def file(analysis_id: UUID, filename: str, **changes: Any) -> NewFile:
    plain = NewFile(
        kind="frame",
        filename=filename,
        storage_path=f"frames/2026-01-01/{analysis_id}/{filename}",
        size_bytes=9,
        checksum=HASH,
        mime_type="image/jpeg",
        retention_days=30,
        width=16,
        height=9,
        at_seconds=1.5,
    )
    return msgspec.structs.replace(plain, **changes)


async def test_stage_is_kept_reused_and_paid_once(db: Pool) -> None:
    first, second = await accepted(db), await accepted(db)
    job = await claimed(db, first)
    assert await stages.start(db, first, job, "answer", HASH)
    end = StageEnd(stage="answer", state="done", input_key=HASH, output={"n": 1}, provider="p", model="m",
                   input_tokens=10, output_tokens=5, cost_usd=0.25, duration_ms=40)  # fmt: skip
    assert await stages.finish(db, first, job, end)
    found = await stages.find_reusable(db, OWNER, second, "answer", HASH)
    assert found is not None
    assert (found.request_id, found.output, found.provider) == (first, {"n": 1}, "p")
    assert await stages.finish(db, second, await claimed(db, second), StageEnd.reused("answer", HASH, found))
    [line] = await stages.list_all(db, second)
    assert (line.state, line.reused_from, line.input_tokens, line.cost_usd) == ("reused", first, 0, 0)
    own = await stages.find_reusable(db, OWNER, second, "answer", HASH)
    assert own is not None
    assert own.request_id == second
    assert await stages.read_outputs(db, second) == {"answer": {"n": 1}}


async def test_a_part_of_a_stage_is_kept_beside_the_whole(db: Pool) -> None:
    analysis_id = await accepted(db)
    job = await claimed(db, analysis_id)
    assert await stages.start(db, analysis_id, job, "transcribe", HASH)
    assert await stages.start(db, analysis_id, job, "transcribe", OTHER, 2)
    part = StageEnd(stage="transcribe", chunk=2, state="done", input_key=OTHER, output={"text": "part"})
    assert await stages.finish(db, analysis_id, job, part)
    assert [(line.chunk, line.state) for line in await stages.list_all(db, analysis_id)] == [
        (0, "running"),
        (2, "done"),
    ]
    found = await stages.find_reusable(db, OWNER, analysis_id, "transcribe", OTHER)
    assert found is not None
    assert found.output == {"text": "part"}
    assert await stages.read_outputs(db, analysis_id) == {}


async def test_nothing_is_reused_from_others_or_from_what_was_deleted(db: Pool) -> None:
    first = await accepted(db)
    await stages.finish(
        db, first, await claimed(db, first), StageEnd(stage="probe", state="done", input_key=HASH, output=1)
    )
    assert await stages.find_reusable(db, uuid4(), first, "probe", HASH) is None
    assert await stages.find_reusable(db, OWNER, first, "probe", OTHER) is None
    await delete(db, first, OWNER)
    assert await stages.find_reusable(db, OWNER, uuid4(), "probe", HASH) is None


async def test_stale_worker_writes_no_stage(db: Pool) -> None:
    analysis_id = await accepted(db)
    job = await claimed(db, analysis_id)
    stale = msgspec.structs.replace(job, fence=job.fence - 1)
    assert not await stages.start(db, analysis_id, stale, "probe", HASH)
    assert not await stages.finish(db, analysis_id, stale, StageEnd.failed("probe", HASH, "stage_failed", 3))
    assert await stages.list_all(db, analysis_id) == []


async def test_stage_that_runs_again_replaces_its_failure(db: Pool) -> None:
    analysis_id = await accepted(db)
    job = await claimed(db, analysis_id)
    await stages.start(db, analysis_id, job, "probe", HASH)
    await stages.finish(db, analysis_id, job, StageEnd.failed("probe", HASH, "stage_failed", 3))
    await stages.start(db, analysis_id, job, "probe", HASH)
    [line] = await stages.list_all(db, analysis_id)
    assert (line.state, line.error_code, line.finished_at) == ("running", None, None)


async def test_files_are_listed_found_replaced_and_removed_once(db: Pool) -> None:
    analysis_id = await accepted(db)
    await files.add(db, analysis_id, [file(analysis_id, "frame_001.jpg"), file(analysis_id, "frame_002.jpg")])
    await files.add(db, analysis_id, [file(analysis_id, "frame_002.jpg", size_bytes=10)])
    assert [(row.filename, row.size_bytes) for row in await files.list_kind(db, analysis_id, "frame")] == [
        ("frame_001.jpg", 9),
        ("frame_002.jpg", 10),
    ]
    found = await files.find(db, analysis_id, "frame_001.jpg")
    assert found is not None
    assert NewFile.copied(found, "x/y").storage_path == "x/y"
    assert await files.find_original(db, analysis_id) is None
    assert await files.list_expired(db, 10) == []
    await db.execute("update media_files set expires_at = now() where filename = 'frame_001.jpg'")
    assert [row.id for row in await files.list_expired(db, 10)] == [found.id]
    keys = [found.storage_path, "frames/2026-01-01/orphan.jpg"]
    assert await files.list_known_keys(db, keys) == {found.storage_path}
    assert [await files.mark_deleted(db, [found.id]), await files.mark_deleted(db, [found.id])] == [1, 0]
    assert await files.list_known_keys(db, keys) == set()
    removed = await files.find(db, analysis_id, "frame_001.jpg")
    assert removed is not None
    assert removed.deleted_at is not None
    assert len(await files.list_all(db, analysis_id)) == 2


@pytest.mark.parametrize("name", ["../x", "a/b", "a\\b", "..", ""])
async def test_file_name_is_never_a_path(db: Pool, name: str) -> None:
    analysis_id = await accepted(db)
    with pytest.raises(StoreError):
        await files.add(db, analysis_id, [file(analysis_id, name)])


async def test_contact_sheet_knows_its_file_and_tiles(db: Pool) -> None:
    analysis_id = await accepted(db)
    sheet = ContactSheet("contact_sheet.jpg", "2x3", "1920x1080", (Tile("frame_001.jpg", 1.5, 0, 0, 640, 540),))
    await files.add(db, analysis_id, [file(analysis_id, "contact_sheet.jpg", kind="contact_sheet")])
    await contact_sheets.put(db, analysis_id, sheet)
    row = await contact_sheets.get(db, analysis_id)
    assert row is not None
    assert (row.frames_count, row.grid_layout, row.resolution, row.file_size_bytes) == (1, "2x3", "1920x1080", 9)
    assert row.metadata["tiles"][0]["at_seconds"] == 1.5


async def test_transcript_comes_back_as_it_was(db: Pool) -> None:
    analysis_id = await accepted(db)
    transcript = Transcript(
        text="fellow country",
        provider="local",
        model="en-us",
        language="en",
        confidence=0.5,
        words=(Word("fellow", 0.1, 0.4, 0.9), Word("country", 0.5, 0.9)),
        segments=(Segment("fellow country", 0.1, 0.9),),
        gaps=(Gap(1.0, 2.0, "stage_timeout"),),
    )
    assert not await transcriptions.exists(db, analysis_id)
    await transcriptions.put(db, analysis_id, transcript)
    assert await transcriptions.exists(db, analysis_id)
    assert await transcriptions.get(db, analysis_id) == transcript
    silent = Transcript(text="", provider="local", model="en-us", no_speech=True)
    await transcriptions.put(db, analysis_id, silent)
    assert await transcriptions.get(db, analysis_id) == silent


@pytest.mark.parametrize(("last_cost", "cost"), [(0.5, 0.75), (None, None)])
async def test_result_sums_up_all_calls(db: Pool, last_cost: float | None, cost: float | None) -> None:
    """Failed ones that were billed too. What one call cost being unknown, so is the sum."""
    analysis_id = await accepted(db)
    for stage, outcome, spent in (("transcribe", "failed", 0.25), ("answer", "done", last_cost)):
        call = Call("p", "m", "answer", outcome, 1, 40, input_tokens=10, cost_usd=spent)
        await provider_calls.add(db, analysis_id, stage, 0, call)
    answer = Answer(
        "Yes.", "A talk.", ("talk",), "p", "m", extractive=True, evidence=(Evidence("page", "yes", page=1),)
    )
    assert await results.put(db, analysis_id, "What?", MediaType.VIDEO, answer) == cost
    row = await results.get(db, analysis_id)
    assert row is not None
    assert (row.result_text, row.topics, row.metadata, row.input_tokens) == (
        "Yes.",
        ("talk",),
        {"extractive": True},
        20,
    )
    assert row.cost_usd == cost
    assert row.detailed_analysis["evidence"][0]["quote"] == "yes"


async def test_expired_idempotency_keys_are_forgotten(db: Pool) -> None:
    await accepted(db, key="old", fingerprint=HASH)
    await accepted(db, key="new", fingerprint=HASH)
    await db.execute("update idempotency_keys set expires_at = now() where key = 'old'")
    assert [await idempotency.remove_expired(db, 10), await idempotency.remove_expired(db, 10)] == [1, 0]
    assert await db.fetchval("select key from idempotency_keys") == "new"
