from __future__ import annotations

import pytest

from mediaanalysis.errors import RequestError
from mediaanalysis.web.requests import bodies


@pytest.mark.parametrize(
    ("body", "code", "pointer"),
    [
        (b"", "bad_json", ""),
        (b"{", "bad_json", ""),
        (b'{"prompt":"a"} x', "bad_json", ""),
        (b'{"prompt":"\xff"}', "bad_json", ""),
        (b'{"prompt":"\\ud800"}', "bad_json", ""),
        (b'{"prompt":5, nonsense', "bad_json", ""),
        (b"[" * 10_000 + b"]" * 10_000, "bad_json", ""),
        (b'{"prompt":"a","metadata":' + b'{"a":' * 10_000 + b"1" + b"}" * 10_000 + b"}", "bad_json", ""),
        (b"[]", "invalid_value", ""),
        (b"{}", "missing_field", "/prompt"),
        (b'{"prompt":5}', "invalid_value", "/prompt"),
        (b'{"prompt":""}', "invalid_value", "/prompt"),
        (b'{"prompt":"a\\u0000b"}', "invalid_value", "/prompt"),
        (b'{"prompt":"a","media_type":"film"}', "invalid_value", "/media_type"),
        (b'{"prompt":"a","source_analysis_id":"7"}', "invalid_value", "/source_analysis_id"),
        (b'{"prompt":"a","priority":11}', "invalid_value", "/priority"),
        (b'{"prompt":"a","config":{"temperature":9}}', "invalid_value", "/config/temperature"),
        (b'{"prompt":"a","config":{"x/~y":0}}', "unknown_field", "/config/x~1~0y"),
        (b'{"prompt":"a","options":{"frames":0}}', "unknown_field", "/options/frames"),
        (b'{"prompt":"a","colour":0}', "unknown_field", "/colour"),
        (b'{"prompt":"a","metadata":5}', "invalid_value", "/metadata"),
        (b'{"prompt":"a","metadata":{"a":"\\u0000"}}', "invalid_value", "/metadata"),
        (b'{"prompt":"a","metadata":' + b'{"a":' * 40 + b"1" + b"}" * 40 + b"}", "invalid_value", "/metadata"),
        (b'{"prompt":"a","metadata":{"a":"' + b"x" * 20_000 + b'"}}', "invalid_value", "/metadata"),
        (b'{"prompt":"' + b"x" * 1_000_000 + b'"}', "invalid_value", "/prompt"),
    ],
)
def test_faults_have_a_code_and_a_pointer(body: bytes, code: str, pointer: str) -> None:
    with pytest.raises(RequestError) as caught:
        bodies.decode(body)
    assert (caught.value.code, caught.value.pointer) == (code, pointer)


def test_the_limit_of_a_prompt_is_said() -> None:
    with pytest.raises(RequestError, match="32768"):
        bodies.decode(b'{"prompt":"' + b"x" * 1_000_000 + b'"}')


def test_a_good_body() -> None:
    request = bodies.decode(b'{"prompt":"a","metadata":{"n":[1,{"deep":null}]},"options":{"frame_count":3}}')
    assert request.options.frame_count == 3
    assert request.metadata == {"n": [1, {"deep": None}]}
