"""The README's lists are the code's."""

from __future__ import annotations

from pathlib import Path

from mediaanalysis.__main__ import COMMANDS
from mediaanalysis.errors import CODES, WARNINGS

README = (Path(__file__).parent.parent / "README.md").read_text()


def _between(mark: str) -> list[str]:
    return README.partition(f"<!-- {mark} -->")[2].partition(f"<!-- /{mark} -->")[0].strip().splitlines()


def test_lists_every_error_code_with_its_status() -> None:
    rows = [f"| `{name}` | {code.status or ''} | {code.title} |" for name, code in CODES.items()]
    assert _between("codes") == ["| code | status | meaning |", "|---|---|---|", *rows]


def test_lists_every_warning() -> None:
    rows = [f"| `{code}` | {about} |" for code, about in WARNINGS.items()]
    assert _between("warnings") == ["| code | meaning |", "|---|---|", *rows]


def test_lists_every_command() -> None:
    for name in COMMANDS:
        assert f"| `{name}" in README
