from __future__ import annotations

import pytest

from mediaanalysis.web.responses.ranges import Span, Unsatisfiable, matches, requested

TAG = '"abc"'


@pytest.mark.parametrize(
    ("header", "expected"),
    [
        (None, None),
        ("bytes=0-0", Span(0, 1)),
        ("bytes=2-5", Span(2, 6)),
        ("Bytes = 2-", Span(2, 10)),
        ("bytes=2-99", Span(2, 10)),
        ("bytes=-3", Span(7, 10)),
        ("bytes=-99", Span(0, 10)),
        ("bytes=5-2", None),
        ("bytes=-", None),
        ("bytes=a-b", None),
        ("bytes=0-1,3-4", None),
        ("items=0-1", None),
        ("bytes=" + "9" * 30 + "-", None),
    ],
)
def test_range(header: str | None, expected: Span | None) -> None:
    assert requested(header, None, TAG, 10) == expected


@pytest.mark.parametrize(("header", "size"), [("bytes=10-", 10), ("bytes=-0", 10), ("bytes=-1", 0), ("bytes=0-0", 0)])
def test_range_outside(header: str, size: int) -> None:
    with pytest.raises(Unsatisfiable):
        requested(header, None, TAG, size)


@pytest.mark.parametrize("condition", ['"other"', 'W/"abc"', "Fri, 20 Nov 2026 22:00:00 GMT"])
def test_if_range_of_another_version_means_the_whole(condition: str) -> None:
    assert requested("bytes=0-0", condition, TAG, 10) is None
    assert requested("bytes=99-", condition, TAG, 10) is None


def test_if_range_of_this_version() -> None:
    assert requested("bytes=0-0", TAG, TAG, 10) == Span(0, 1)


@pytest.mark.parametrize(
    ("condition", "expected"),
    [(None, False), (TAG, True), ("*", True), ('W/"abc"', True), ('"x", "abc"', True), ('"x"', False), ("", False)],
)
def test_if_none_match(condition: str | None, expected: bool) -> None:
    assert matches(condition, TAG) is expected
