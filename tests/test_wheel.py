"""What is shipped is complete: the wheel, installed elsewhere, finds its SQL and its migrations and starts."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
PROBE = """
from mediaanalysis import resources
folders = ("sql", "migrations", "deploy")
print(*sorted(path.name for name in folders for path in resources.folder(name).glob("*.sql")))
"""


@pytest.fixture(scope="module")
def installed(tmp_path_factory: pytest.TempPathFactory) -> Path:
    place = tmp_path_factory.mktemp("wheel")
    _run([sys.executable, "-m", "build", "--wheel", "--no-isolation", "--outdir", str(place), str(ROOT)], place)
    (wheel,) = place.glob("*.whl")
    target = place / "installed"
    _run([sys.executable, "-m", "pip", "install", "--quiet", "--no-deps", "--target", str(target), str(wheel)], place)
    return target


def _run(command: list[str], place: Path) -> str:
    done = subprocess.run(command, capture_output=True, text=True, cwd=place, check=False, timeout=120)
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_finds_its_sql_migrations_and_grants(installed: Path) -> None:
    code = f"import sys; sys.path.insert(0, {str(installed)!r}){PROBE}"
    found = _run([sys.executable, "-I", "-c", code], installed).split()
    folders = ("sql", "migrations", "deploy")
    expected = sorted(path.name for folder in folders for path in (ROOT / folder).glob("*.sql"))
    assert found == expected


def test_starts(installed: Path) -> None:
    code = (
        f"import sys; sys.path.insert(0, {str(installed)!r}); sys.argv = ['mediaanalysis', '--version'];"
        "import mediaanalysis.__main__ as m; sys.exit(m.main())"
    )
    assert _run([sys.executable, "-I", "-c", code], installed).startswith("mediaanalysis ")
