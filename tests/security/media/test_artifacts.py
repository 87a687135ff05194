"""Artifacts out: nothing runs in a browser, no name is a path, no link leads out of the storage."""

from __future__ import annotations

import json
import os
from collections.abc import Awaitable, Callable
from pathlib import Path
from uuid import UUID

import httpx
import pytest
from starlette.types import ASGIApp

from mediaanalysis.errors import ResourceError
from mediaanalysis.storage import layout
from mediaanalysis.storage.storage import Storage
from mediaanalysis.store import files
from mediaanalysis.store.files import NewFile
from mediaanalysis.store.pool import Database
from tests.web.conftest import (
    app,
    become,
    client,
    heard,
    keep,
    services,
    settings,
    signals,
    storage,
    submit,
)

__all__ = ["app", "become", "client", "heard", "keep", "services", "settings", "signals", "storage", "submit"]

Submit = Callable[..., Awaitable[UUID]]
Keep = Callable[..., Awaitable[None]]
Become = Callable[[UUID, str], Awaitable[None]]

SECRET = b"a secret of this machine"
ACTIVE = {
    "original.html": "text/html",
    "original.svg": "image/svg+xml",
    "original.xml": "application/xml",
    "original.xhtml": "application/xhtml+xml",
    "original.js": "text/javascript",
    "original.pdf": "application/pdf",
    "original.bin": "application/octet-stream",
    "original.swf": "application/x-shockwave-flash",
}
PATHS = (
    "..%2f..%2fsecret.txt",
    "%2e%2e%2f%2e%2e%2fsecret.txt",
    "..%5c..%5csecret.txt",
    "..%252f..%252fsecret.txt",
    "%2fetc%2fpasswd",
    "..%c0%af..%c0%afsecret.txt",
    "secret.txt%00.jpg",
    "file:secret.txt",
    "....%2f%2fsecret.txt",
    "~root",
    "%2e",
)
NAMES = {
    'a"; filename="evil.exe': "a_; filename=_evil.exe",
    "a\r\nSet-Cookie: x=1.txt": "a__Set-Cookie: x=1.txt",
    "\u202egpj.exe": "_gpj.exe",
    "100%41.txt": "100_41.txt",
    "..\\evil.txt": ".._evil.txt",
    "\u540d\u524d.txt": "__.txt",
    "a;b,c=d.txt": "a;b,c=d.txt",
}


@pytest.fixture(autouse=True)
def secret(tmp_path: Path) -> Path:
    """Beside the storage, where a path out of it would lead."""
    path = tmp_path / "secret.txt"
    path.write_bytes(SECRET)
    return path


def assert_isolated(answer: httpx.Response) -> None:
    assert answer.headers["x-content-type-options"] == "nosniff"
    assert answer.headers["content-security-policy"] == "default-src 'none'; sandbox"


@pytest.mark.parametrize("filename", ACTIVE)
async def test_what_could_run_is_a_download(
    client: httpx.AsyncClient, submit: Submit, keep: Keep, filename: str
) -> None:
    analysis_id = await submit()
    await keep(
        analysis_id, "original", filename, b"<script>alert(1)</script>", ACTIVE[filename], original_path="a.html"
    )
    answer = await client.get(f"/api/media/{analysis_id}/files/{filename}")
    assert answer.headers["content-disposition"].startswith("attachment; ")
    assert_isolated(answer)
    assert_isolated(await client.head(f"/api/media/{analysis_id}/files/{filename}"))
    assert_isolated(await client.get(f"/api/media/{analysis_id}/files/{filename}", headers={"range": "bytes=0-1"}))


@pytest.mark.parametrize("name", NAMES)
async def test_a_name_is_one_parameter_of_one_header(
    client: httpx.AsyncClient, submit: Submit, keep: Keep, name: str
) -> None:
    analysis_id = await submit()
    await keep(analysis_id, "original", "original.txt", b"x", "text/plain", original_path=name)
    answer = await client.get(f"/api/media/{analysis_id}/files/original.txt")
    shown = answer.headers["content-disposition"]
    plain, _, encoded = shown.removeprefix('inline; filename="').partition("\"; filename*=UTF-8''")
    assert plain == NAMES[name]
    assert encoded.isascii()
    assert not set(encoded) & set(" \"'\\;,=\r\n")
    assert "set-cookie" not in answer.headers
    assert httpx.URL(f"http://x/{encoded}").path == f"/{name}"


@pytest.mark.parametrize("path", PATHS)
async def test_no_path_leads_out(client: httpx.AsyncClient, submit: Submit, become: Become, path: str) -> None:
    analysis_id = await submit()
    await become(analysis_id, "completed")
    for address in (f"/api/media/{analysis_id}/files/{path}", f"/api/media/{analysis_id}/frames/{path}"):
        answer = await client.get(address)
        assert answer.status_code in (404, 405), answer.text
        assert SECRET not in answer.content


@pytest.mark.parametrize("where", ["file", "folder", "day"])
async def test_a_link_in_the_storage_is_not_followed(
    client: httpx.AsyncClient, submit: Submit, keep: Keep, storage: Storage, secret: Path, where: str
) -> None:
    """Put there by somebody who could write below one folder: also where the row is as it should be."""
    analysis_id = await submit()
    await keep(analysis_id, "output", "summary.txt", SECRET, "text/plain")
    (found,) = (secret.parent / "storage" / "outputs").rglob("summary.txt")
    replaced = {"file": found, "folder": found.parent, "day": found.parent.parent}[where]
    elsewhere = secret.parent / "elsewhere"
    replaced.rename(elsewhere)
    replaced.symlink_to(elsewhere)
    assert found.read_bytes() == SECRET
    answer = await client.get(f"/api/media/{analysis_id}/files/summary.txt")
    assert (answer.status_code, answer.json()["code"]) == (410, "expired")
    with pytest.raises(FileNotFoundError):
        await storage.fetch(str(found.relative_to(secret.parent / "storage")), secret.parent / "fetched")


@pytest.mark.parametrize(
    "key", ["../secret.txt", "uploads/../../secret.txt", "/etc/passwd", "outputs/2026-01-01/x/../../../secret.txt", ""]
)
async def test_a_row_with_a_path_is_refused(app: ASGIApp, submit: Submit, database: Database, key: str) -> None:
    """Whatever wrote it there: what is no key of ours is never opened."""
    analysis_id = await submit()
    row = NewFile(
        kind="output", filename="summary.txt", storage_path=key, size_bytes=len(SECRET), checksum="0" * 64,
        mime_type="text/plain", retention_days=None,
    )  # fmt: skip
    await files.add(database.pool, analysis_id, [row])
    transport = httpx.ASGITransport(app, raise_app_exceptions=False)
    async with httpx.AsyncClient(transport=transport, base_url="http://test") as anybody:
        answer = await anybody.get(f"/api/media/{analysis_id}/files/summary.txt")
    assert answer.status_code == 500
    assert SECRET not in answer.content


@pytest.mark.parametrize("left", ["link", "pipe", "folder"])
async def test_what_a_child_leaves_in_place_of_a_file_is_not_published(
    storage: Storage, secret: Path, tmp_path: Path, left: str
) -> None:
    work = tmp_path / "frame_001.jpg"
    if left == "link":
        work.symlink_to(secret)
    elif left == "pipe":
        os.mkfifo(work)
    else:
        work.mkdir()
    key = layout.check(f"frames/2026-01-01/{UUID(int=1)}/frame_001.jpg")
    with pytest.raises(ResourceError):
        await storage.put_file(key, work)
    assert await storage.size(key) is None


async def test_uploads_of_pages_and_drawings_are_never_rendered(client: httpx.AsyncClient) -> None:
    """Under whatever name and type they come."""
    for name, kind, data in (
        ("a.jpg", "image/jpeg", b"<!doctype html><script>alert(1)</script>"),
        ("a.png", "image/png", b"<svg xmlns='http://www.w3.org/2000/svg' onload='alert(1)'/>"),
        ("a.txt", "text/plain", b"<html><body onload=alert(1)>"),
    ):
        upload = {"file": (name, data, kind)}
        fields = {"prompt": "x", "metadata": json.dumps({"a": "<b>"})}
        accepted = await client.post("/api/media/analyze", data=fields, files=upload)
        assert accepted.status_code in (202, 415), accepted.text
        if accepted.status_code == 202:
            result = (await client.get(f"/api/media/{accepted.json()['analysis_id']}")).json()
            for file in result["files"]:
                answer = await client.get(file["url"])
                assert_isolated(answer)
                shown = answer.headers["content-disposition"].startswith("inline")
                assert not (shown and "html" in answer.headers["content-type"])
                assert "svg" not in answer.headers["content-type"] or not shown
