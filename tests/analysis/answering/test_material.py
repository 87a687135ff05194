"""Material for a model: every line with its place, in parts that fit, and nothing lost."""

from __future__ import annotations

from hypothesis import given, settings
from hypothesis import strategies as st

from mediaanalysis.analysis.answering.material import Line, lines, parts, tokens, within
from mediaanalysis.analysis.answering.plan import FEWEST_NOTE_TOKENS, plan, spread
from mediaanalysis.providers.catalogue import Model, Operation
from mediaanalysis.structs.media import Page, ScreenText, TextLine
from mediaanalysis.structs.transcript import Segment, Transcript

TEXTS = st.text(st.sampled_from("abcde   é漢\n"), max_size=400)
LINES = st.lists(st.builds(Line, st.just("page"), TEXTS, page=st.integers(1, 99)), max_size=30)


@settings(deadline=None)
@given(LINES, st.integers(30, 500))
def test_parts_fit_and_hold_everything_in_order(material: list[Line], room: int) -> None:
    packed = parts(material, room)
    assert all(sum(tokens(line.shown) + 1 for line in part) <= room for part in packed)
    assert "".join(line.text for part in packed for line in part) == "".join(line.text for line in material)
    assert all(part for part in packed)


def test_no_material_makes_no_parts() -> None:
    assert parts([], 100) == []


@given(TEXTS, st.integers(1, 100))
def test_what_is_within_fits(text: str, room: int) -> None:
    assert text.startswith(within(text, room))
    assert tokens(within(text, room)) <= max(room, tokens(text[:1]))


def test_lines_have_their_time_or_page() -> None:
    transcript = Transcript(
        "Hi. You.", "p", "m", segments=(Segment(" Hi.", 1, 2), Segment("You.", 61.25, 63, speaker="1"))
    )
    screen = [ScreenText((TextLine("SALE", 1, (0, 0, 1, 1)), TextLine("now", 1, (0, 0, 1, 1))), "f", 30.0)]
    found = lines(transcript, screen, [Page(2, " Two \n"), Page(3, " ")])
    assert [line.shown for line in found] == [
        "[page 2] Two",
        "[transcript 1.0-2.0] Hi.",
        "[screen_text 30.0] SALE / now",
        "[transcript 61.2-63.0] (1) You.",
    ]


def test_a_transcript_without_times_is_one_line() -> None:
    assert [line.shown for line in lines(Transcript("All.", "p", "m"), [], [])] == ["[transcript] All."]


def _model(**fields: object) -> Model:
    return Model("m", Operation.ANSWER, **fields)  # type: ignore[arg-type]


WORDS = [Line("page", "word " * 100, page=n) for n in range(1, 200)]


def test_what_fits_is_asked_at_once() -> None:
    planned = plan("Why?", WORDS, 6, [_model(sees=True, context_tokens=200_000)], None)
    assert planned.at_once
    assert planned.pictures == 6
    assert plan("Why?", [], 6, [_model(sees=True)], None).at_once


def test_what_does_not_fit_is_divided_by_the_smallest_context() -> None:
    large, small = _model(sees=True, context_tokens=200_000, max_images=9), _model(context_tokens=16_000)
    planned = plan("Why?", WORDS, 12, [large, small], None)
    assert len(planned.parts) > 2
    assert planned.note_tokens >= FEWEST_NOTE_TOKENS
    assert planned.note_tokens * len(planned.parts) < 16_000
    assert sum(len(part) for part in planned.parts) >= len(WORDS)


def test_pictures_keep_to_what_is_seen_and_taken() -> None:
    assert plan("Why?", [], 6, [_model()], None).pictures == 0
    assert plan("Why?", [], 64, [_model(sees=True, max_images=5), _model(sees=True, max_images=9)], None).pictures == 5
    assert plan("Why?", [], 64, [_model(sees=True, context_tokens=12_000)], None).pictures < 6


@given(st.integers(0, 40), st.integers(0, 40))
def test_a_choice_is_even_and_in_order(total: int, count: int) -> None:
    chosen = spread(list(range(total)), count)
    assert chosen == sorted(set(chosen))
    assert len(chosen) == min(total, count)
    if 2 <= count <= total:
        assert (chosen[0], chosen[-1]) == (0, total - 1)
