"""What is particular to an object store: parts, aborted uploads, a store that is away."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest

from mediaanalysis.errors import ResourceError
from mediaanalysis.storage import place
from mediaanalysis.storage.storage import PART_BYTES, Storage
from tests.storage.samples import BUCKET, KEY, chunks


async def test_large_files_go_up_in_parts_under_the_prefix(remote: Storage, bucket: Any) -> None:
    await remote.put_stream(KEY, chunks(2 * PART_BYTES + 1), max_bytes=10**9)
    assert bucket.head_object(Bucket=BUCKET, Key=f"prefix/{KEY}")["ETag"].strip('"').endswith("-3")
    assert remote.local_path(KEY) is None


async def test_a_failed_upload_leaves_no_parts(remote: Storage, bucket: Any) -> None:
    async def broken() -> AsyncIterator[bytes]:
        async for chunk in chunks(2 * PART_BYTES):
            yield chunk
        assert bucket.list_multipart_uploads(Bucket=BUCKET)["Uploads"]
        raise TimeoutError

    with pytest.raises(TimeoutError):
        await remote.put_stream(KEY, broken(), max_bytes=10**9)
    assert "Uploads" not in bucket.list_multipart_uploads(Bucket=BUCKET)


async def test_a_failed_download_leaves_no_file(
    remote: Storage, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def broken(key: str) -> AsyncIterator[bytes]:
        yield b"half"
        raise ResourceError("away", code="storage_unavailable")

    monkeypatch.setattr(remote, "read", broken)
    with pytest.raises(ResourceError):
        await remote.fetch(KEY, tmp_path / "input")
    assert not (tmp_path / "input").exists()


@pytest.fixture
def away(s3_variables: None, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Storage:
    monkeypatch.setenv("AWS_ENDPOINT_URL", "http://127.0.0.1:9")
    monkeypatch.setattr(place, "_RETRY", {"max_retries": 0})
    return Storage.open("s3://media/prefix", tmp_path)


async def test_a_store_that_is_away(away: Storage, tmp_path: Path) -> None:
    for attempt in (away.put_bytes(KEY, b"x"), away.get(KEY), away.size(KEY), away.delete([KEY]), away.check()):
        with pytest.raises(ResourceError) as caught:
            await attempt
        assert (caught.value.code, caught.value.retryable) == ("storage_unavailable", True)
        assert "127.0.0.1" not in caught.value.detail


async def test_a_bucket_that_does_not_exist(s3_variables: None, tmp_path: Path) -> None:
    storage = Storage.open("s3://nowhere", tmp_path)
    with pytest.raises(ResourceError) as caught:
        await storage.put_bytes(KEY, b"x")
    assert caught.value.code == "storage_unavailable"


def test_describing_it_shows_no_secret(remote: Storage) -> None:
    assert remote.describe() == "s3://media/prefix"
