"""Child: an extract of a long text. Ranking a book holds the interpreter longer than a service may stand still."""

from __future__ import annotations

from typing import Any

import msgspec

from mediaanalysis.providers.local.answer import extract
from mediaanalysis.sandbox.child import serve
from mediaanalysis.structs.answers import AnswerRequest


def handle(request: dict[str, Any]) -> Any:
    """`request`: an AnswerRequest without pictures, `model`: who answers. Answers an Answer, in plain types."""
    return msgspec.to_builtins(extract(msgspec.convert(request["request"], AnswerRequest), request["model"]))


if __name__ == "__main__":
    serve(handle)
