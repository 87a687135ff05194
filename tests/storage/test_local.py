"""What is particular to a local directory: permissions, links, leftovers, a full disk."""

from __future__ import annotations

import asyncio
import errno
import os
import stat
import subprocess
import time
from collections.abc import AsyncIterator, Callable, Iterator
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any
from uuid import UUID

import pytest

from mediaanalysis.errors import ConfigurationError, ResourceError
from mediaanalysis.storage import cleanup, disk, folders, layout
from mediaanalysis.storage.disk import DiskUsage
from mediaanalysis.storage.storage import PART_BYTES, Storage
from tests.storage.samples import DAY, ID, KEY, RESULT, chunks, files_under

DAY_SECONDS = 24 * 3600


@pytest.fixture
def root(tmp_path: Path) -> Path:
    return tmp_path / "storage"


@pytest.fixture(params=[0o000, 0o077])
def umask(request: pytest.FixtureRequest) -> Iterator[None]:
    before = os.umask(request.param)
    yield
    os.umask(before)


async def test_folders_are_0755_whatever_the_umask(umask: None, tmp_path: Path) -> None:
    storage = Storage.open(None, tmp_path / "new" / "data")
    await storage.put_bytes(KEY, b"x")
    folders = [path for path in (tmp_path / "new").rglob("*") if path.is_dir()]
    assert {stat.S_IMODE(path.stat().st_mode) for path in folders} == {0o755}


async def test_a_file_is_read_in_place(storage: Storage, root: Path) -> None:
    await storage.put_bytes(KEY, b"media")
    assert storage.local_path(KEY) == root / KEY
    assert (root / KEY).read_bytes() == b"media"


async def test_a_copy_costs_no_bytes_and_is_young(storage: Storage, root: Path) -> None:
    other = layout.key_of("original", DAY, UUID(int=2), "original.mp4")
    await storage.put_bytes(KEY, b"media")
    os.utime(root / KEY, (0, 0))
    await storage.copy(KEY, other)
    assert (root / other).samefile(root / KEY)
    assert (root / other).stat().st_mtime > 0


async def test_fetch_copies_where_no_link_can_be_made(storage: Storage, root: Path) -> None:
    other = Path("/dev/shm")
    if not other.is_dir() or other.stat().st_dev == root.stat().st_dev:
        pytest.skip("one file system is all there is")
    await storage.put_bytes(KEY, b"media")
    with TemporaryDirectory(dir=other) as folder:
        taken = await storage.fetch(KEY, Path(folder) / "taken")
        assert taken == Path(folder) / "taken"
        assert taken.read_bytes() == b"media"
        with pytest.raises(ResourceError):
            await storage.fetch(KEY, taken)


@pytest.mark.parametrize("where", ["file", "folder"])
async def test_links_in_the_storage_are_not_followed(storage: Storage, root: Path, tmp_path: Path, where: str) -> None:
    secret = tmp_path / "secret"
    secret.mkdir()
    (secret / "original.mp4").write_text("canary")
    place = (root / KEY).parent
    if where == "folder":
        place.parent.mkdir(parents=True)
        place.symlink_to(secret)
    else:
        place.mkdir(parents=True)
        (root / KEY).symlink_to(secret / "original.mp4")
    for attempt in (
        storage.get(KEY),
        storage.fetch(KEY, tmp_path / "x"),
        storage.copy(KEY, RESULT),
    ):
        with pytest.raises(FileNotFoundError):
            await attempt
    assert await storage.size(KEY) is None


@pytest.mark.parametrize("end", ["fails", "is cancelled"])
async def test_an_unfinished_write_leaves_no_bytes(storage: Storage, root: Path, end: str) -> None:
    half_way = asyncio.Event()

    async def stream() -> AsyncIterator[bytes]:
        async for chunk in chunks(2 * PART_BYTES):
            yield chunk
        assert files_under(root), "it is being written"
        half_way.set()
        if end == "fails":
            raise TimeoutError
        await asyncio.Event().wait()

    task = asyncio.create_task(storage.put_stream(KEY, stream(), max_bytes=10**9))
    await half_way.wait()
    if end == "is cancelled":
        task.cancel()
    with pytest.raises((asyncio.CancelledError, TimeoutError)):
        await task
    assert files_under(root) == []


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """A disk of 16 MiB of its own, where we may mount one."""
    place = tmp_path / "disk"
    place.mkdir()
    mount = ["mount", "-t", "tmpfs", "-o", "size=16m", "tmpfs", str(place)]
    if os.geteuid() != 0 or subprocess.run(mount, capture_output=True, check=False).returncode != 0:
        pytest.skip("needs the right to mount")
    yield place
    subprocess.run(["umount", "-l", str(place)], check=True)


async def test_the_disk_fills_up_in_the_middle(small_disk: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    storage = Storage.open(None, small_disk)
    monkeypatch.setattr(storage, "check_room", lambda size: None)
    with pytest.raises(ResourceError) as caught:
        await storage.put_stream(KEY, chunks(32 << 20), max_bytes=10**9)
    assert caught.value.code == "disk_full"
    assert "/" not in caught.value.detail
    assert files_under(small_disk) == []


async def test_a_stream_stops_before_the_disk_is_full(storage: Storage, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(disk, "usage", lambda path: DiskUsage(used_bytes=95, free_bytes=5))
    with pytest.raises(ResourceError) as caught:
        await storage.put_stream(KEY, chunks(10), max_bytes=100)
    assert caught.value.code == "disk_full"


@pytest.mark.parametrize(
    ("number", "code"),
    [(errno.ENOTDIR, "storage_unavailable"), (errno.EROFS, "storage_unavailable"), (errno.ENOSPC, "disk_full")],
)
async def test_a_folder_that_cannot_be_made_is_a_fault_with_a_name(
    storage: Storage, monkeypatch: pytest.MonkeyPatch, number: int, code: str
) -> None:
    def fail(*_: object) -> None:
        raise OSError(number, os.strerror(number), "/a/path/of/ours")

    monkeypatch.setattr(folders, "make", fail)
    monkeypatch.setattr(folders, "make_work", fail)
    with pytest.raises(ResourceError) as put:
        await storage.put_bytes(KEY, b"x")
    with pytest.raises(ResourceError) as worked:
        async with storage.workspace(ID):
            pass
    assert [raised.value.code for raised in (put, worked)] == [code, code]
    assert "/a/path" not in put.value.detail


def test_room(storage: Storage, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(disk, "usage", lambda path: DiskUsage(used_bytes=50, free_bytes=50))
    storage.check_room(39)
    with pytest.raises(ResourceError):
        storage.check_room(40)


@pytest.mark.parametrize(("used", "state"), [(0, "ok"), (79, "ok"), (80, "warning"), (89, "warning"), (90, "critical")])
def test_states_of_the_disk(used: int, state: str) -> None:
    assert DiskUsage(used_bytes=used, free_bytes=100 - used).state == state


def test_real_usage(storage: Storage) -> None:
    assert 0 < storage.disk_usage().fraction < 1


def _age(path: Path, seconds: float) -> None:
    os.utime(path, (path.stat().st_atime - seconds, path.stat().st_mtime - seconds))


async def test_clean_removes_what_crashes_left_and_nothing_else(storage: Storage, root: Path) -> None:
    await storage.put_bytes(KEY, b"kept")
    await storage.put_bytes(RESULT, b"kept")
    staged, young = root / f"{KEY}#1", root / f"{KEY}#2"
    dead, alive = root / "temp" / f"{ID}.dead", root / "temp" / f"{ID}.alive"
    empty = root / "frames" / "2026-01-01"
    for folder in (dead, alive, empty):
        folder.mkdir(parents=True)
    for file in (staged, young, dead / "frame.jpg"):
        file.write_bytes(b"x")
    for path in (staged, dead, empty, root / KEY, root / RESULT):
        _age(path, 2 * DAY_SECONDS)

    cleaned = await storage.clean()

    assert cleaned == cleanup.Cleaned(work_folders=1, staged_files=1, empty_folders=1)
    assert {path for path in (staged, young, dead, alive, empty) if path.exists()} == {young, alive}
    assert await storage.get(KEY) == await storage.get(RESULT) == b"kept"
    assert await storage.clean() == cleanup.Cleaned()


async def test_only_one_cleans_at_a_time(storage: Storage, root: Path) -> None:
    with cleanup.lock(root) as won:
        assert won
        assert await storage.clean() is None
    assert await storage.clean() is not None


async def test_work_folders_are_apart_and_leave_nothing(storage: Storage, root: Path) -> None:
    async with storage.workspace(ID) as one, storage.workspace(ID) as other:
        (one / "frame.jpg").touch()
        assert list(other.iterdir()) == []
    assert list((root / "temp").iterdir()) == []


async def test_a_cancel_leaves_no_work_folder(storage: Storage, root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Not even while the folder is being made or removed."""
    make, remove = folders.make_work, folders.remove_work

    def slowly(change: Callable[..., Any]) -> Callable[..., Any]:
        def changed(*arguments: Any) -> Any:
            time.sleep(0.05)
            return change(*arguments)

        return changed

    async def work() -> None:
        async with storage.workspace(ID):
            await asyncio.sleep(0.03)

    monkeypatch.setattr(folders, "make_work", slowly(make))
    monkeypatch.setattr(folders, "remove_work", slowly(remove))
    for seconds in (0.0, 0.02, 0.06, 0.1):
        running = asyncio.create_task(work())
        await asyncio.sleep(seconds)
        running.cancel()
        await asyncio.wait([running])
    await asyncio.sleep(0.2)
    assert list((root / "temp").iterdir()) == []


def test_a_file_url_is_a_directory(tmp_path: Path) -> None:
    storage = Storage.open(f"file://{tmp_path}/with%20space", tmp_path / "unused")
    assert storage.describe() == f"directory {tmp_path}/with space"
    assert not (tmp_path / "unused").exists()


@pytest.mark.parametrize(
    "url",
    ["ftp://host/x", "s3:bucket", "s3://id:planted-secret@bucket", "file://host/x", "file:x", "memory:///", "x"],
)
def test_other_urls_are_refused_in_one_line(url: str, tmp_path: Path) -> None:
    with pytest.raises(ConfigurationError) as caught:
        Storage.open(url, tmp_path)
    assert "STORAGE_URL" in caught.value.detail
    assert "expected s3://bucket/prefix" in caught.value.detail
    assert "planted-secret" not in caught.value.detail


def test_an_unwritable_directory_is_said_in_one_line(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(ConfigurationError, match=r"^DATA_DIR: .* cannot be written \(.+\)$"):
        Storage.open(None, tmp_path / "file")
