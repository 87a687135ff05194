"""A whole run with planted secrets, as an operator would have it: none may stand in what the run leaves behind."""

from __future__ import annotations

import hashlib
import re
import secrets
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from uuid import uuid4

import httpx
import psycopg
import pytest
from msgspec import Struct

from tests.commands.conftest import environment, place
from tests.databases import SERVICE, as_operator, own_database
from tests.security.leaky_vendor import MODES, leaky_vendor

__all__ = ["environment", "place"]


def planted() -> str:
    return "planted" + secrets.token_hex(12)


VENDOR, PASSWORD, CALLER, SCRAPER, WRONG = planted(), planted(), f"ma_{planted()}", f"ma_{planted()}", f"ma_{planted()}"
USERINFO, SIGNATURE = planted(), planted()
SECRETS = {
    "a vendor's key": VENDOR,
    "the database's password": PASSWORD,
    "a caller's key": CALLER,
    "an admin's key": SCRAPER,
    "a wrong key": WRONG,
    "a login in a refused URL": USERINFO,
}


class Traces(Struct, frozen=True):
    """What the run left: texts by where they were found."""

    texts: dict[str, str]
    results: dict[str, dict[str, Any]]


@pytest.fixture
def traces(server: str, environment: dict[str, str], place: Path) -> Iterator[Traces]:
    with own_database(server, "secrets") as dsn, leaky_vendor() as vendor:
        operator_dsn = as_operator(dsn)
        _add_keys(operator_dsn)
        variables = {
            "DATABASE_URL": dsn.replace(f"{SERVICE}@", f"{SERVICE}:{PASSWORD}@"),
            "COMPATIBLE_BASE_URL": f"{vendor}/v1",
            "COMPATIBLE_API_KEY": VENDOR,
            "COMPATIBLE_MODEL": "leaky",
            "FETCH_ALLOW": "127.0.0.1",
            "LOG_FORMAT": "json",
            "LOG_LEVEL": "debug",
        }
        log = place / "log"
        assert PASSWORD in variables["DATABASE_URL"]
        with _serving({**environment, **variables}, log) as url:
            said, results = _use(url, vendor)
        doctor = [sys.executable, "-m", "mediaanalysis", "doctor", "--settings"]
        shown = subprocess.run(doctor, env={**environment, **variables}, capture_output=True, text=True, check=True)
        texts = {"answers": said, "log": log.read_text(), "doctor": shown.stdout + shown.stderr}
        yield Traces({**texts, **_tables(operator_dsn), **_files(place / "data" / "storage")}, results)


def _add_keys(dsn: str) -> None:
    with psycopg.connect(dsn) as connection:
        for text, scopes in ((CALLER, ["read", "write"]), (SCRAPER, ["admin"])):
            values = (text[:10], uuid4(), hashlib.sha256(text.encode()).hexdigest(), text[:10], scopes)
            connection.execute(
                "insert into api_keys (name, owner_id, key_hash, prefix, scopes) values (%s, %s, %s, %s, %s)", values
            )


@contextmanager
def _serving(environment: dict[str, str], log: Path) -> Iterator[str]:
    command = [sys.executable, "-m", "mediaanalysis", "serve", "--port", "0"]
    with (
        log.open("w") as sink,
        subprocess.Popen(command, env=environment, stdout=subprocess.PIPE, stderr=sink, text=True) as process,
    ):
        assert process.stdout is not None
        greeting = ""
        while "Ctrl-C" not in greeting:
            line = process.stdout.readline()
            assert line, log.read_text()
            greeting += line
        found = re.search(r"serving +(http://\S+)", greeting)
        assert found
        yield found[1]
        process.send_signal(signal.SIGINT)
        assert process.wait(30) == 0
        sink.write(greeting)


def _use(url: str, vendor: str) -> tuple[str, dict[str, dict[str, Any]]]:
    """Everything that may be said, and the result of an analysis in each of the vendor's moods."""
    said, results = [], {}
    with httpx.Client(base_url=url, headers={"x-api-key": CALLER}, trust_env=False, timeout=30) as client:
        wrong = ({"authorization": f"Bearer {WRONG}"}, {"x-api-key": WRONG})
        said += [client.get("/api/media/history", headers=headers).text for headers in wrong]
        said.append(client.get("/api/media/history", params={"api_key": CALLER}).text)
        body = {"prompt": "x", "media_url": f"http://user:{USERINFO}@example.com/a.mp4"}
        said.append(client.post("/api/media/analyze", json=body).text)
        accepted = {mode: _submit(client, vendor, mode) for mode in MODES}
        for mode, analysis_id in accepted.items():
            results[mode] = _result(client, analysis_id, impatient=mode != "answering")
            said.append(str(results[mode]))
        said.append(client.get("/metrics", headers={"x-api-key": SCRAPER}).text)
        said.append(client.get("/health/ready").text)
    return "\n".join(said), results


def _submit(client: httpx.Client, vendor: str, mode: str) -> str:
    url = f"{vendor}/{mode}.txt?signature={SIGNATURE}"
    body = {"prompt": f"mode {mode}", "media_url": url, "config": {"provider": "compatible"}}
    accepted = client.post("/api/media/analyze", json=body)
    assert accepted.status_code == 202, accepted.text
    return str(accepted.json()["analysis_id"])


def _result(client: httpx.Client, analysis_id: str, *, impatient: bool) -> dict[str, Any]:
    """At the end; or, if impatient, once the vendor was asked: cancelled then, without waiting for further attempts."""
    etag = ""
    while True:
        condition = {"if-none-match": etag}
        etag = client.get(f"/api/media/status/{analysis_id}", params={"wait": 5}, headers=condition).headers["etag"]
        found: dict[str, Any] = client.get(f"/api/media/{analysis_id}").json()
        if found["status"] not in ("pending", "processing"):
            return found
        if impatient and found["calls"]:
            client.post(f"/api/media/{analysis_id}/cancel")


def _tables(dsn: str) -> dict[str, str]:
    with psycopg.connect(dsn) as connection:
        names = connection.execute("select tablename from pg_tables where schemaname = 'public'").fetchall()
        return {
            f"table {name}": str(connection.execute(f"select to_jsonb(t)::text from {name} t").fetchall())  # type: ignore[call-overload]
            for (name,) in names
        }


def _files(folder: Path) -> dict[str, str]:
    return {f"file {path.name}": path.read_text("latin-1") for path in folder.rglob("*") if path.is_file()}


def test_no_secret_is_left_anywhere(traces: Traces) -> None:
    assert {"table provider_calls", "table audit_log", "table job_failures", "log"} <= set(traces.texts)
    assert '"event":"request"' in traces.texts["log"]
    assert "leaky" in traces.texts["table provider_calls"], "the vendor was asked"
    found = [(what, where) for where, text in traces.texts.items() for what, value in SECRETS.items() if value in text]
    assert found == []
    # The address of media with its signature is the client's, and kept to fetch it; no log repeats it.
    assert SIGNATURE not in traces.texts["log"]
    assert traces.results["answering"]["status"] == "completed"
    asked = {mode for mode, result in traces.results.items() for call in result["calls"] if call["model"] == "leaky"}
    assert asked == set(MODES)
