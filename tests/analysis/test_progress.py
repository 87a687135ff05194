from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from mediaanalysis.analysis import kinds
from mediaanalysis.analysis.progress import Progress
from mediaanalysis.analysis.stages.fetch import FETCH
from mediaanalysis.analysis.stages.frames import FRAMES
from mediaanalysis.analysis.stages.probe import PROBE
from mediaanalysis.analysis.stages.publish import PUBLISH
from mediaanalysis.structs.requests import MediaType

VIDEO = kinds.stages(MediaType.VIDEO)


def test_starts_low_while_the_media_is_unknown_and_ends_at_99() -> None:
    progress = Progress()
    assert progress.update(FETCH, 1) < 15
    progress.update(PROBE, 1)
    progress.expect(VIDEO)
    shown = [progress.update(stage, 1) for stage in VIDEO]
    assert shown == sorted(shown)
    assert shown[-1] == 99


@given(st.lists(st.tuples(st.sampled_from(VIDEO), st.floats(-1, 2)), max_size=60))
def test_never_falls_and_never_says_done(updates: list) -> None:
    progress = Progress()
    shown = []
    for number, (stage, fraction) in enumerate(updates):
        if number == 3:
            progress.expect(VIDEO)
        shown.append(progress.update(stage, fraction))
    assert shown == sorted(shown)
    assert all(0 <= percent <= 99 for percent in shown)


def test_a_stage_reported_twice_counts_once() -> None:
    progress = Progress()
    progress.expect(VIDEO)
    first = progress.update(FRAMES, 1)
    assert progress.update(FRAMES, 0.2) == first


def test_every_kind_begins_with_fetch_and_ends_with_publish() -> None:
    for media_type in kinds.BRANCHES:
        stages = kinds.stages(media_type)
        assert stages[0] is FETCH
        assert stages[-1] is PUBLISH
        assert len({stage.name for stage in stages}) == len(stages)
        for stage in stages:
            assert all(before in stages[: stages.index(stage)] for before in stage.after)
