"""Times of what was heard: in order, inside the clip, whatever the vendor sends."""

from __future__ import annotations

from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mediaanalysis.providers.languages import code
from mediaanalysis.providers.vendors.fields import count, label, number, share, text
from mediaanalysis.providers.vendors.transcripts import in_order
from mediaanalysis.structs.transcript import Word

TIMES = st.floats(-10, 100, allow_nan=False)
WORDS = st.lists(st.builds(Word, st.sampled_from(["a", "b", ""]), TIMES, TIMES))


@given(WORDS, st.floats(0.1, 60))
def test_words_are_in_order_and_inside(words: list[Word], end: float) -> None:
    kept = in_order(words, end)
    assert all(word.text for word in kept)
    assert all(0 <= word.start <= word.end <= end + 0.001 for word in kept)
    assert all(before.end <= word.start + 0.001 for before, word in pairwise(kept))


def test_good_times_stay() -> None:
    words = [Word("a", 0.0, 0.5), Word("b", 0.5, 1.25), Word("c", 2.0, 2.5)]
    assert in_order(words, 3) == words
    assert in_order(reversed(words), 3) == words


def test_what_lies_past_the_end_is_no_part_of_it() -> None:
    assert in_order([Word("a", 2.9, 3.4), Word("b", 3.5, 3.9), Word("c", 9, 10)], 3) == [
        Word("a", 2.9, 3.0),
        Word("b", 3.0, 3.0),
    ]


@pytest.mark.parametrize(
    ("value", "found"),
    [
        (1, 1.0),
        ("8.47", 8.47),
        ("1.100s", 1.1),
        (True, None),
        (None, None),
        ("x", None),
        (float("nan"), None),
        ([], None),
    ],
)
def test_numbers_come_in_several_types(value: object, found: float | None) -> None:
    assert number(value) == found


def test_the_other_types() -> None:
    assert (count("3"), count(-1), count(2.6)) == (3, None, 3)
    assert (share(0.5), share(2)) == (0.5, None)
    assert (text("a\0b"), text(3)) == ("ab", "")
    assert (label(0), label("S1"), label(""), label(None)) == ("0", "S1", None, None)


@pytest.mark.parametrize(
    ("said", "tag"),
    [
        ("english", "en"),
        ("Haitian Creole", "ht"),
        ("de", "de"),
        ("en-US", "en-US"),
        ("", None),
        ("klingon speech", None),
    ],
)
def test_languages_become_codes(said: str, tag: str | None) -> None:
    assert code(said) == tag
