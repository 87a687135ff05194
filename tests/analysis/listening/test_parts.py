"""Any talk, cut under any limit and put together again, is the talk."""

from __future__ import annotations

from itertools import pairwise

from hypothesis import given, settings
from hypothesis import strategies as st

from mediaanalysis.analysis.listening.cleaning import placed
from mediaanalysis.analysis.listening.splitting import LONG_PAUSE_SECONDS, MARGIN_SECONDS, split
from mediaanalysis.analysis.listening.stitching import HeardPart, stitched
from mediaanalysis.structs.media import Span
from mediaanalysis.structs.transcript import Transcript, Word
from tests.analysis.listening.talks import Talk, heard, talks

LIMITS = st.one_of(st.none(), st.floats(13, 1200))


@settings(max_examples=300, deadline=None)
@given(talks(), LIMITS)
def test_words_are_kept_once_and_in_time(talk: Talk, longest: float | None) -> None:
    parts = split(talk.speech, talk.silences, talk.duration_seconds, longest)
    whole = stitched([HeardPart(part, placed(heard(talk, part), part, talk.speech)) for part in parts])
    assert [word.text for word in whole.words] == [word.text for word in talk.words]
    for found, said in zip(whole.words, talk.words, strict=True):
        assert abs(found.start - said.start) <= 0.02
        assert abs(found.end - said.end) <= 0.02
    assert whole.text.split() == [word.text for word in talk.words]
    assert all(before.end <= after.start for before, after in pairwise(whole.words))
    assert all(before.end <= after.start for before, after in pairwise(whole.segments))
    assert " ".join(segment.text for segment in whole.segments) == whole.text


@settings(max_examples=300, deadline=None)
@given(talks(), st.floats(13, 1200))
def test_parts_keep_to_the_limit_and_do_not_overlap(talk: Talk, longest: float) -> None:
    parts = split(talk.speech, talk.silences, talk.duration_seconds, longest)
    assert all(0 <= part.start < part.end <= talk.duration_seconds + 0.001 for part in parts)
    assert all(part.end - part.start <= longest + 0.001 for part in parts)
    assert all(before.end <= after.start for before, after in pairwise(parts))


@settings(max_examples=300, deadline=None)
@given(talks(), LIMITS)
def test_no_part_is_without_a_voice_and_no_voice_without_a_part(talk: Talk, longest: float | None) -> None:
    parts = split(talk.speech, talk.silences, talk.duration_seconds, longest)
    for part in parts:
        assert any(span.start < part.end and span.end > part.start for span in talk.speech)
    for word in talk.words:
        assert any(part.start <= word.start + 0.001 and word.end - 0.001 <= part.end for part in parts)
    sent = sum(part.end - part.start for part in parts)
    spoken = talk.speech[-1].end - talk.speech[0].start
    left_out = sum(
        after.start - before.end - 2 * MARGIN_SECONDS
        for before, after in pairwise(talk.speech)
        if after.start - before.end >= LONG_PAUSE_SECONDS
    )
    assert sent <= spoken - left_out + 2 * MARGIN_SECONDS + 0.01


def test_a_short_talk_stays_whole() -> None:
    assert split([Span(1, 5), Span(6, 9)], [], 10, None) == (Span(0.5, 9.5),)
    assert split([Span(1, 5), Span(6, 9)], [], 10, 20) == (Span(0.5, 9.5),)


def test_silence_gives_no_part() -> None:
    assert split([], [Span(0, 60)], 60, 10) == ()


def test_the_longest_pause_near_the_even_cut_is_taken() -> None:
    speech = [Span(0, 28), Span(28.2, 31), Span(33, 60)]
    assert split(speech, [], 60, 40) == (Span(0, 31.5), Span(32.5, 60))


def test_sound_without_pauses_is_cut_where_the_limit_says() -> None:
    assert split([Span(0, 100)], [], 100, 40) == (Span(0, 40), Span(40, 80), Span(80, 100))


def test_voices_that_touch_are_cut_where_they_touch() -> None:
    speech = [Span(0, 15), Span(15, 33), Span(33, 60)]
    assert split(speech, [], 60, 40) == (Span(0, 33), Span(33, 60))


def test_a_word_cut_in_two_stands_there_once() -> None:
    left = Transcript(
        "to the harbour", "a", "b", words=(Word("to", 1, 2), Word("the", 3, 4), Word("harbour", 39.5, 40))
    )
    right = Transcript("Harbour of", "a", "b", words=(Word("Harbour", 0, 0.3), Word("of", 1, 1.2)))
    speech = [Span(0, 80)]
    parts = [Span(0, 40), Span(40, 80)]
    placed_parts = [HeardPart(part, placed(one, part, speech)) for part, one in zip(parts, (left, right), strict=True)]
    whole = stitched(placed_parts)
    assert whole.text == "to the harbour of"
    assert [word.text for word in whole.words] == ["to", "the", "harbour", "of"]
    assert [segment.text for segment in whole.segments] == ["to", "the", "harbour", "of"]


def test_a_word_said_twice_around_a_pause_stands_there_twice() -> None:
    left = Transcript("no", "a", "b", words=(Word("no", 38, 39),))
    right = Transcript("no", "a", "b", words=(Word("no", 1, 2),))
    speech = [Span(37, 39), Span(41, 42)]
    parts = [Span(0, 40), Span(40, 80)]
    whole = stitched(
        [HeardPart(part, placed(one, part, speech)) for part, one in zip(parts, (left, right), strict=True)]
    )
    assert whole.text == "no no"


def test_a_lost_part_is_a_gap_with_its_reason() -> None:
    kept = HeardPart(Span(0, 40), placed(Transcript("yes", "a", "b"), Span(0, 40), [Span(1, 2)]))
    whole = stitched([kept, HeardPart(Span(40, 80), None, "the provider failed")])
    assert [(gap.start, gap.end, gap.reason) for gap in whole.gaps] == [(40, 80, "the provider failed")]
    assert [notice.code for notice in whole.notices] == ["part_lost"]
    assert not whole.no_speech


def test_speakers_of_several_parts_get_their_part() -> None:
    def one(part: Span) -> HeardPart:
        said = Transcript("a b", "x", "y", words=(Word("a", 1, 2, speaker="0"), Word("b", 3, 4, speaker="1")))
        return HeardPart(part, placed(said, part, [Span(part.start, part.end)]))

    whole = stitched([one(Span(0, 10)), one(Span(10, 20))])
    assert [word.speaker for word in whole.words] == ["1:0", "1:1", "2:0", "2:1"]
    assert [notice.code for notice in whole.notices] == ["speakers_by_part"]
    assert [word.speaker for word in stitched([one(Span(0, 10))]).words] == ["0", "1"]
