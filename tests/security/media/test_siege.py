"""Every attack goes through the whole service at once; afterwards the canary was not heard and nothing stays.

One test, since one service stands for all of them: split up, each process of the test session would besiege its own.
"""

from __future__ import annotations

import pytest

from mediaanalysis.errors import CODES
from tests.security.media.attacks import INSIDE, LURES, NAMES, allowed_ends
from tests.security.media.canary import Canary
from tests.security.media.siege import Ruins

MOST_BYTES = 256 * 1024**2
ATTACKS_AT_LEAST = 80


async def test_no_attack_succeeds(ruins: Ruins, canary: Canary, subtests: pytest.Subtests) -> None:
    with subtests.test("each attack ends as it must"):
        assert_ends(ruins)
    with subtests.test("nobody visited the canary"):
        assert canary.heard == []
    with subtests.test("the canary is heard nowhere"):
        assert_silence(ruins, canary)
    with subtests.test("what failed published nothing"):
        assert_nothing_published(ruins)
    with subtests.test("a name is only shown"):
        assert_names_are_names(ruins)
    with subtests.test("the inside is not fetched from"):
        assert_inside_is_refused(ruins)
    with subtests.test("the disk was never near full"):
        assert ruins.most_bytes < MOST_BYTES
    with subtests.test("no program, file, folder or job stays"):
        assert (ruins.programs, ruins.uncleared) == (set(), [])


def assert_ends(ruins: Ruins) -> None:
    wrong = {name: outcome.end for name, outcome in ruins.outcomes.items() if outcome.end not in allowed_ends(name)}
    assert wrong == {}
    assert len(ruins.outcomes) >= ATTACKS_AT_LEAST
    assert {outcome.end for outcome in ruins.outcomes.values()} - {"completed"} <= set(CODES)


def assert_silence(ruins: Ruins, canary: Canary) -> None:
    """Neither in files nor rows, answers nor the log."""
    assert canary.sung_in(canary.secret_file.read_bytes()), "it would be heard"
    assert b'"event":"request"' in ruins.log
    answers = {name: outcome.answers for name, outcome in ruins.outcomes.items()}
    places = {**ruins.bytes_by_place, **answers, "log": ruins.log}
    assert [place for place, data in places.items() if canary.sung_in(data)] == []


def assert_nothing_published(ruins: Ruins) -> None:
    """No picture or sound of another's media was made on the way."""
    ours = ("files/original.", "files/metadata.json")
    failed = {name: outcome.files for name, outcome in ruins.outcomes.items() if outcome.end != "completed"}
    assert {name: files for name, files in failed.items() if not all(file.startswith(ours) for file in files)} == {}


def assert_names_are_names(ruins: Ruins) -> None:
    for what in NAMES:
        outcome = ruins.outcomes[f"named {what}"]
        assert all(file.removeprefix("files/").isascii() and ".." not in file for file in outcome.files)


def assert_inside_is_refused(ruins: Ruins) -> None:
    ends = {url: ruins.outcomes[f"fetch {url}"].end for url in INSIDE}
    assert set(ends.values()) <= {"url_not_allowed", "fetch_refused"}, ends
    assert ruins.outcomes["fetch in circles"].end == "fetch_redirects"
    assert {ruins.outcomes[f"fetch {lure}"].end for lure in list(LURES)[:3]} == {"fetch_refused"}
