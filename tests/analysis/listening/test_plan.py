"""Parts and form of a sound, by what recognisers take."""

from __future__ import annotations

from mediaanalysis.analysis.listening.plan import plan
from mediaanalysis.providers.catalogue import Model, Operation
from mediaanalysis.structs.media import AudioTrack, Span

HOUR = AudioTrack("audio.flac", 3600, speech=tuple(Span(n * 20.0, n * 20.0 + 18) for n in range(180)))
MIB = 1_000_000


def _model(**fields: object) -> Model:
    return Model("m", Operation.TRANSCRIPTION, **fields)  # type: ignore[arg-type]


def test_a_short_sound_goes_as_it_lies_there() -> None:
    track = AudioTrack("audio.flac", 20, speech=(Span(0.3, 19.5),))
    planned = plan(track, 200_000, [_model(max_seconds=60)])
    assert (planned.whole, planned.parts) == (True, (Span(0, 20),))


def test_little_speech_in_much_sound_is_cut_out() -> None:
    track = AudioTrack("audio.flac", 3000, speech=(Span(100, 130), Span(2000, 2010)))
    planned = plan(track, 20 * MIB, [_model()])
    assert planned.parts == (Span(99.5, 130.5), Span(1999.5, 2010.5))
    assert not planned.whole


def test_the_tightest_of_all_limits_counts() -> None:
    planned = plan(HOUR, 30 * MIB, [_model(), _model(max_seconds=500)])
    assert max(part.end - part.start for part in planned.parts) <= 425
    assert planned.form == "flac"


def test_opus_where_flac_would_make_more_parts() -> None:
    planned = plan(HOUR, 100 * MIB, [_model(max_bytes=25 * MIB)])
    assert planned.form == "ogg"
    assert len(planned.parts) == 3
    without = plan(HOUR, 100 * MIB, [_model(max_bytes=25 * MIB, formats=("flac",))])
    assert without.form == "flac"
    assert len(without.parts) > 3


def test_a_recogniser_without_flac_gets_opus() -> None:
    track = AudioTrack("audio.flac", 20, speech=(Span(0.3, 19.5),))
    planned = plan(track, 200_000, [_model(formats=("ogg",))])
    assert (planned.form, planned.whole) == ("ogg", False)
