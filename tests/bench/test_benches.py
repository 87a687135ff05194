"""What `make bench` and an operator run is there and can be read; how fast anything is, no test says."""

from __future__ import annotations

import ast
import importlib
from pathlib import Path

import pytest

from mediaanalysis.web.routes import ROUTES
from tests.bench.__main__ import PARTS

LOCUSTFILE = Path(__file__).parents[2] / "deploy" / "locustfile.py"


@pytest.mark.parametrize("part", PARTS)
def test_every_part_can_be_imported(part: str) -> None:
    importlib.import_module(f"tests.bench.{part}")


def test_the_locustfile_asks_for_addresses_that_exist() -> None:
    """Locust itself is not there: it is installed for benches alone."""
    tree = ast.parse(LOCUSTFILE.read_text())
    asked = {ast.unparse(node)[2:-1] for node in ast.walk(tree) if isinstance(node, ast.JoinedStr)}
    paths = {each.replace("{API}", "/api/media") for each in asked if each.startswith("{API}")}
    known = {path.replace("{analysis_id}", "{}") for path in ROUTES}
    assert {_blank(path) for path in paths} <= known
    assert len(paths) >= 4


def _blank(path: str) -> str:
    return path.replace("{analysis_id}", "{}").replace("{{id}}", "{}")
