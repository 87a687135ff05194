"""The rules of the house that no linter knows."""

from __future__ import annotations

import ast
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
SOURCES = sorted((ROOT / "mediaanalysis").rglob("*.py"))

FILE_MAX_LINES = 300
FUNCTION_MAX_LINES = 30

ONLY_IMPORTED_BY = {
    "asyncpg": ("store/",),
    "yoyo": ("migrate.py",),
    "obstore": ("storage/",),
    "ffmpeg": ("media/",),
    "httpx": ("providers/", "media/download", "commands/analyze.py"),
    "starlette": ("web/", "app.py"),
    "uvicorn": ("web/",),
}
"""One place for one thing: a library, and the rooms that may import it. The command line is an HTTP client."""


def _name(path: Path) -> str:
    return path.relative_to(ROOT / "mediaanalysis").as_posix()


@pytest.mark.parametrize("path", SOURCES, ids=_name)
def test_a_file_is_one_thing(path: Path) -> None:
    assert path.read_text().count("\n") <= FILE_MAX_LINES


@pytest.mark.parametrize("path", SOURCES, ids=_name)
def test_a_function_fits_the_eye(path: Path) -> None:
    functions = [
        node
        for node in ast.walk(ast.parse(path.read_text()))
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)
    ]
    long = [f"{f.name}: {_lines(f)} lines" for f in functions if _lines(f) > FUNCTION_MAX_LINES]
    assert not long


def _lines(function: ast.FunctionDef | ast.AsyncFunctionDef) -> int:
    assert function.end_lineno is not None
    return function.end_lineno - function.lineno + 1


def test_each_library_is_imported_in_one_place() -> None:
    strays = [
        f"{_name(path)} imports {library}"
        for path in SOURCES
        for library in _imports(path)
        if library in ONLY_IMPORTED_BY and not _name(path).startswith(ONLY_IMPORTED_BY[library])
    ]
    assert not strays


def _imports(path: Path) -> set[str]:
    found = set()
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            found |= {alias.name.partition(".")[0] for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module and not node.level:
            found.add(node.module.partition(".")[0])
    return found
