"""What recognisers make up is cut; what people say is not."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mediaanalysis.analysis.listening import repetition
from mediaanalysis.analysis.listening.cleaning import placed
from mediaanalysis.structs.media import Span
from mediaanalysis.structs.transcript import Segment, Transcript, Word

PART = Span(100, 160)


def _words(text: str, start: float = 0.0, step: float = 0.5) -> tuple[Word, ...]:
    return tuple(Word(word, start + step * n, start + step * (n + 0.8)) for n, word in enumerate(text.split()))


@pytest.mark.parametrize(
    ("text", "left"),
    [
        ("so we go " + "thank you " * 40, "so we go thank you"),
        ("so we go " + "thank you " * 40 + "thank", "so we go thank you"),
        ("the the the the the the the the the the the the end", "the end"),
        ("I'll be right back. " * 5 + "Now.", "I'll be right back. Now."),
        ("no no no no", "no no no no"),
        ("very very very good", "very very very good"),
        ("row, row, row your boat", "row, row, row your boat"),
        ("ご視聴ありがとう" * 14, "ご視聴ありがとう"),
        ("0000 0000 0000", "0000 0000 0000"),
    ],
)
def test_loops_are_cut_to_one(text: str, left: str) -> None:
    assert repetition.cut(text).strip() == left


@given(st.lists(st.sampled_from(["a", "b", "c"]), max_size=60))
def test_cutting_twice_cuts_no_more_than_is_there(words: list[str]) -> None:
    stay = repetition.kept(words)
    assert stay == sorted(set(stay))
    assert not words or stay[0] == 0


@given(st.lists(st.text("abcdefgh", min_size=3, max_size=9), unique=True))
def test_words_that_differ_all_stay(words: list[str]) -> None:
    assert repetition.kept(words) == list(range(len(words)))


def test_a_loop_over_many_segments_is_cut() -> None:
    segments = tuple(Segment(" Thanks for watching!", 2.0 * n, 2.0 * n + 2) for n in range(20))
    said = Transcript(" Thanks for watching!" * 20, "a", "b", segments=segments)
    found = placed(said, PART, [Span(100, 150)])
    assert [(one.text, one.start, one.end) for one in found.segments] == [("Thanks for watching!", 100, 102)]
    assert found.text == "Thanks for watching!"
    assert [notice.code for notice in found.notices] == ["made_up_cut"]


def test_words_after_the_last_voice_are_cut() -> None:
    words = (*_words("that was all"), *_words("thanks for watching", start=20))
    said = Transcript("that was all thanks for watching", "a", "b", words=words)
    found = placed(said, PART, [Span(100, 103)])
    assert found.text == "that was all"
    assert [word.text for word in found.words] == ["that", "was", "all"]
    assert [notice.code for notice in found.notices] == ["made_up_cut"]


def test_times_are_put_in_order_and_inside_the_part() -> None:
    words = (Word("b", 2, 1.5), Word("a", -0.2, 1), Word("c", 1.9, 61), Word("d", 75, 76))
    found = placed(Transcript("a b c d", "x", "y", words=words), PART, [PART])
    assert [(word.text, word.start, word.end) for word in found.words] == [
        ("a", 100, 101),
        ("c", 101.9, 160),
        ("b", 160, 160),
    ]


def test_text_without_times_stands_where_the_voices_are() -> None:
    found = placed(Transcript(" All of it. ", "a", "b"), PART, [Span(90, 95), Span(110, 120), Span(130, 140)])
    assert [(one.text, one.start, one.end) for one in found.segments] == [("All of it.", 110, 140)]
    assert not found.notices


def test_words_become_sentences() -> None:
    words = (*_words("It rains. So we stay"), *_words("inside", start=10))
    found = placed(Transcript("It rains. So we stay inside", "a", "b", words=words), PART, [PART])
    assert [one.text for one in found.segments] == ["It rains.", "So we stay", "inside"]
