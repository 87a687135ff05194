"""The files in deploy/ against the code: no engine runs here, so what they say is checked instead."""

from __future__ import annotations

import configparser
import json
import os
import re
import shlex
import shutil
import subprocess
import tomllib
from pathlib import Path
from typing import Any

import psycopg
import pytest
import yaml

from mediaanalysis.__main__ import COMMANDS
from mediaanalysis.settings import variables
from mediaanalysis.store import embedded
from mediaanalysis.web.routes import ROUTES
from tests.databases import SERVICE

TOP = Path(__file__).parents[2]
DEPLOY = TOP / "deploy"
POSTGRES = {"POSTGRES_HOST", "POSTGRES_PORT", "POSTGRES_DB", "POSTGRES_USER", "POSTGRES_PASSWORD"}
SETTINGS = {variable.name for variable in variables().values()} | POSTGRES


@pytest.fixture(scope="module")
def compose() -> dict[str, Any]:
    content: dict[str, Any] = yaml.safe_load((DEPLOY / "compose.yaml").read_text())
    return content


@pytest.fixture(scope="module")
def dockerfile() -> str:
    return (DEPLOY / "Dockerfile").read_text()


def _ours(compose: dict[str, Any]) -> dict[str, dict[str, Any]]:
    return {name: service for name, service in compose["services"].items() if service["image"] == "mediaanalysis"}


def test_services_run_commands_that_exist_with_variables_that_exist(compose: dict[str, Any]) -> None:
    ours = _ours(compose)
    assert set(ours) == {"migrate", "api", "worker"}
    for service in ours.values():
        assert service["command"][0] in COMMANDS
        assert set(service["environment"]) <= SETTINGS


def test_everything_named_is_declared(compose: dict[str, Any]) -> None:
    for service in compose["services"].values():
        assert set(service["networks"]) <= set(compose["networks"])
        sources = {volume.partition(":")[0] for volume in service["volumes"]}
        assert {each for each in sources if not each.startswith("./")} <= set(compose["volumes"])
        assert all((DEPLOY / each).is_file() for each in sources if each.startswith("./"))
        assert set(service.get("depends_on", {})) <= set(compose["services"])


def test_the_service_speaks_to_the_database_beside_it(compose: dict[str, Any]) -> None:
    database = compose["services"]["postgres"]
    for service in _ours(compose).values():
        said = service["environment"]
        assert (said["POSTGRES_HOST"], said["POSTGRES_DB"]) == ("postgres", database["environment"]["POSTGRES_DB"])
    assert compose["networks"]["inside"]["internal"]
    assert database["networks"] == ["inside"]


def test_only_migrate_knows_the_owner(compose: dict[str, Any]) -> None:
    made = compose["services"]["postgres"]["environment"]
    login = {
        name: (service["environment"]["POSTGRES_USER"], service["environment"]["POSTGRES_PASSWORD"])
        for name, service in _ours(compose).items()
    }
    assert login.pop("migrate") == (made["POSTGRES_USER"], made["POSTGRES_PASSWORD"])
    assert set(login.values()) == {(SERVICE, made["SERVICE_PASSWORD"])}
    assert made["SERVICE_PASSWORD"] != made["POSTGRES_PASSWORD"]


def test_nothing_starts_before_the_schema_is_there_and_all_are_watched(compose: dict[str, Any]) -> None:
    for name in ("api", "worker"):
        assert compose["services"][name]["depends_on"]["migrate"]["condition"] == "service_completed_successfully"
    assert "test" in compose["services"]["worker"]["healthcheck"]
    assert "test" in compose["services"]["postgres"]["healthcheck"]
    assert compose["services"]["worker"]["healthcheck"]["test"][1:] == ["mediaanalysis", "doctor"]


def test_it_is_published_on_loopback_only(compose: dict[str, Any]) -> None:
    assert [port for service in compose["services"].values() for port in service.get("ports", [])] == [
        "127.0.0.1:8000:8000"
    ]


def test_the_image_runs_a_command_that_exists_as_its_own_user(dockerfile: str) -> None:
    command = json.loads(re.findall(r"^CMD (\[.*\])$", dockerfile, re.MULTILINE)[-1])
    assert command[0] in COMMANDS
    assert re.search(r"^USER 10001$", dockerfile, re.MULTILINE)
    assert "--uid 10001" in dockerfile


def test_the_image_is_healthy_when_the_service_says_so(dockerfile: str) -> None:
    assert "HEALTHCHECK" in dockerfile
    assert "/health'" in dockerfile
    assert "/health" in ROUTES


def test_the_image_sets_variables_that_exist(dockerfile: str) -> None:
    names = set(re.findall(r"\b([A-Z_]+)=", dockerfile))
    assert names - {"PIP_CONSTRAINT", "PIP_DISABLE_PIP_VERSION_CHECK", "PIP_NO_CACHE_DIR"} <= SETTINGS | {
        "PATH",
        "PYTHONUNBUFFERED",
    }


def test_the_build_sees_all_that_the_wheel_is_made_of() -> None:
    kept = {line[1:] for line in (DEPLOY / "Dockerfile.dockerignore").read_text().splitlines() if line[:1] == "!"}
    build = tomllib.loads((TOP / "pyproject.toml").read_text())
    wheel = build["tool"]["hatch"]["build"]["targets"]["wheel"]
    needed = {
        *wheel["packages"],
        *wheel["force-include"],
        build["project"]["readme"],
        *build["project"]["license-files"],
    }
    assert needed <= kept
    assert all((TOP / name).exists() for name in kept)


def test_the_unit_runs_a_command_that_exists() -> None:
    unit = configparser.RawConfigParser(strict=False)
    unit.optionxform = str  # type: ignore[assignment, method-assign]
    unit.read_string((DEPLOY / "mediaanalysis.service").read_text())
    program, command, *_ = shlex.split(unit["Service"]["ExecStart"])
    assert (Path(program).name, command in COMMANDS) == ("mediaanalysis", True)
    assert {pair.partition("=")[0] for pair in unit["Service"]["Environment"].split()} <= SETTINGS


@pytest.mark.skipif(shutil.which("systemd-analyze") is None, reason="needs systemd-analyze")
def test_systemd_takes_the_unit(tmp_path: Path) -> None:
    text = (DEPLOY / "mediaanalysis.service").read_text().replace("/opt/mediaanalysis/bin/mediaanalysis", "/bin/true")
    (tmp_path / "mediaanalysis.service").write_text(text)
    command = ["systemd-analyze", "verify", str(tmp_path / "mediaanalysis.service")]
    verdict = subprocess.run(command, capture_output=True, text=True, check=False)
    assert (verdict.returncode, verdict.stderr) == (0, "")


def test_every_dependency_is_pinned_and_nothing_comes_from_elsewhere() -> None:
    lines = [line for line in (DEPLOY / "constraints.txt").read_text().splitlines() if not line.startswith("#")]
    pins = [re.fullmatch(r"([a-z0-9-]+)==[\w.+!]+(?:; python_version [!=]= \"3\.\d+\")?", line) for line in lines]
    assert all(pins), lines
    project = tomllib.loads((TOP / "pyproject.toml").read_text())["project"]
    named = {re.split(r"[\[<>=!~; ]", each)[0] for each in project["dependencies"]}
    named |= {re.split(r"[\[<>=!~; ]", each)[0] for each in project["optional-dependencies"]["dev"]}
    assert named <= {pin[1] for pin in pins if pin}


def test_the_login_of_the_service_is_made_with_any_password(server: str, tmp_path: Path) -> None:
    """What the image of PostgreSQL runs, for a role of another name: this server has that one."""
    text = (DEPLOY / "service_login.sh").read_text()
    assert text.count(f"create role {SERVICE} ") == 1
    (tmp_path / "login.sh").write_text(text.replace(f"create role {SERVICE} ", "create role somebody "))
    given = {"POSTGRES_USER": "postgres", "POSTGRES_DB": "postgres", "SERVICE_PASSWORD": """it's "$HOME" \\ ; --"""}
    place = {"PATH": f"{embedded.program('psql').parent}:{os.defpath}", "PGHOST": server.partition("host=")[2]}
    done = subprocess.run(
        ["sh", str(tmp_path / "login.sh")], env=given | place, capture_output=True, text=True, check=False
    )
    assert (done.returncode, done.stderr) == (0, "")
    with psycopg.connect(server, autocommit=True) as connection:
        made = "select rolcanlogin, rolsuper, rolpassword ~ '^SCRAM' from pg_authid where rolname = 'somebody'"
        assert connection.execute(made).fetchone() == (True, False, True)
        connection.execute("drop role somebody")
