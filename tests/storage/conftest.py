"""A storage in a fresh directory, and the same in a bucket."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import boto3
import pytest
from moto.server import ThreadedMotoServer

from mediaanalysis.storage.storage import Storage
from tests.storage.samples import BUCKET


@pytest.fixture
def storage(tmp_path: Path) -> Storage:
    return Storage.open(None, tmp_path)


@pytest.fixture(scope="session")
def s3_endpoint() -> Iterator[str]:
    server = ThreadedMotoServer("127.0.0.1", port=0, verbose=False)
    server.start()
    host, port = server.get_host_and_port()
    yield f"http://{host}:{port}"
    server.stop()


@pytest.fixture
def s3_variables(s3_endpoint: str, monkeypatch: pytest.MonkeyPatch) -> None:
    for name, value in {
        "AWS_ENDPOINT_URL": s3_endpoint,
        "AWS_ALLOW_HTTP": "true",
        "AWS_ACCESS_KEY_ID": "id",
        "AWS_SECRET_ACCESS_KEY": "planted-secret",
        "AWS_REGION": "us-east-1",
    }.items():
        monkeypatch.setenv(name, value)


@pytest.fixture
def bucket(s3_variables: None, s3_endpoint: str) -> Iterator[Any]:
    """A boto3 client that sees what is really there."""
    client = boto3.client("s3", endpoint_url=s3_endpoint)
    client.create_bucket(Bucket=BUCKET)
    yield client
    for entry in client.list_objects_v2(Bucket=BUCKET).get("Contents", []):
        client.delete_object(Bucket=BUCKET, Key=entry["Key"])
    client.delete_bucket(Bucket=BUCKET)


@pytest.fixture
def remote(bucket: Any, tmp_path: Path) -> Storage:
    return Storage.open(f"s3://{BUCKET}/prefix", tmp_path)


@pytest.fixture(params=["local", "s3"])
def either(request: pytest.FixtureRequest) -> Storage:
    storage: Storage = request.getfixturevalue({"local": "storage", "s3": "remote"}[request.param])
    return storage
