"""Vertex AI: the address, and the login by a service account's file against a token service that is really there."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from urllib.parse import parse_qs

import httpx
import pytest
from cryptography.hazmat.primitives.asymmetric import rsa
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat

from mediaanalysis.errors import ProviderError
from mediaanalysis.providers.credentials import Vendors
from mediaanalysis.structs.requests import Config
from tests.providers.fake import Fake, clip, message, opened
from tests.providers.test_hearing import GEMINI
from tests.providers.test_saying import gemini
from tests.providers.vendors import vendors


class Tokens(BaseHTTPRequestHandler):
    """Each login gets a token of its own: token-1, token-2."""

    given = 0
    status = 200

    def do_POST(self) -> None:
        form = parse_qs(self.rfile.read(int(self.headers["content-length"])).decode())
        assert form["grant_type"] == ["urn:ietf:params:oauth:grant-type:jwt-bearer"]
        type(self).given += 1
        body = {"access_token": f"token-{self.given}", "expires_in": 3600, "token_type": "Bearer"}
        content = json.dumps(body if self.status == 200 else {"error": "invalid_grant"}).encode()
        self.send_response(self.status)
        self.send_header("content-type", "application/json")
        self.end_headers()
        self.wfile.write(content)

    def log_message(self, format: str, *_args: object) -> None:
        """Quiet."""


@pytest.fixture
def service() -> Iterator[str]:
    Tokens.given, Tokens.status = 0, 200
    server = HTTPServer(("127.0.0.1", 0), Tokens)
    threading.Thread(target=server.serve_forever, args=(0.01,), daemon=True).start()
    yield f"http://127.0.0.1:{server.server_port}/token"
    server.shutdown()
    server.server_close()


@pytest.fixture
def setup(service: str, tmp_path: Path) -> Vendors:
    key = rsa.generate_private_key(public_exponent=65_537, key_size=2048)
    pem = key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()).decode()
    login = {
        "type": "service_account",
        "project_id": "p",
        "private_key_id": "1",
        "private_key": pem,
        "client_email": "me@p.iam.gserviceaccount.com",
        "token_uri": service,
    }
    path = tmp_path / "login.json"
    path.write_text(json.dumps(login))
    return vendors(GOOGLE_CLOUD_PROJECT="p", GOOGLE_APPLICATION_CREDENTIALS=str(path))


async def test_a_token_is_fetched_once_and_used_for_both_operations(setup: Vendors, tmp_path: Path) -> None:
    vendor = Fake(gemini(), GEMINI)
    async with opened(vendor, setup) as providers:
        reply = await providers.say(message(tmp_path), providers.answer_chain(Config(), pictures=True))
        heard = await providers.hear(clip(tmp_path), providers.transcription_chain(Config()))
    assert [request.headers["authorization"] for request in vendor.requests] == ["Bearer token-1"] * 2
    assert str(vendor.requests[0].url) == (
        "https://aiplatform.googleapis.com/v1/projects/p/locations/global/publishers/google"
        "/models/gemini-3.8-flash:generateContent"
    )
    assert reply.provider == "vertex"
    assert heard.transcript.calls[0].cost_usd == pytest.approx((256 * 2 + 20 * 12) / 1e6 + 8 * 5e-5)


async def test_a_refused_token_is_renewed_once(setup: Vendors, tmp_path: Path) -> None:
    refusal = httpx.Response(401, json={"error": {"code": 401, "message": "x", "status": "UNAUTHENTICATED"}})
    vendor = Fake(refusal, gemini())
    async with opened(vendor, setup) as providers:
        await providers.say(message(tmp_path), providers.answer_chain(Config()))
    assert [request.headers["authorization"] for request in vendor.requests] == ["Bearer token-1", "Bearer token-2"]
    vendor = Fake(refusal)
    async with opened(vendor, setup) as providers:
        with pytest.raises(ProviderError, match="HTTP 401"):
            await providers.say(message(tmp_path), providers.answer_chain(Config()))
    assert len(vendor.requests) == 2


async def test_a_login_that_fails_is_said_without_the_path(setup: Vendors, tmp_path: Path) -> None:
    Tokens.status = 400
    async with opened(Fake(gemini()), setup) as providers:
        with pytest.raises(ProviderError, match=r"vertex: Google login refused \(RefreshError\)") as raised:
            await providers.say(message(tmp_path), providers.answer_chain(Config()))
    assert not raised.value.retryable
    missing = vendors(GOOGLE_CLOUD_PROJECT="p", GOOGLE_APPLICATION_CREDENTIALS=str(tmp_path / "none.json"))
    async with opened(Fake(gemini()), missing) as providers:
        with pytest.raises(ProviderError, match="login refused") as raised:
            await providers.say(message(tmp_path), providers.answer_chain(Config()))
    assert "none.json" not in raised.value.detail
