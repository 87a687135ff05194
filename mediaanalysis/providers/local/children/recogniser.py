"""Child: English speech to words, by pocketsphinx and the en-us model in its wheel.

Each span is decoded alone, at its own offset: times are exact, and no word can be heard twice at a seam.
"""

from __future__ import annotations

import re
from functools import cache
from typing import Any

import numpy as np
import soundfile
from pocketsphinx import Decoder

from mediaanalysis.sandbox.child import serve

Words = list[tuple[str, float, float, float]]

RATE = 16_000
FRAMES_PER_SECOND = 100
BEAMS = {"beam": 1e-60, "wbeam": 1e-40, "pbeam": 1e-60, "maxhmmpf": 20_000}
"""Wider than the defaults: half the word errors on clear speech at 0.4 instead of 0.3 of its duration."""
NOT_A_WORD = re.compile(r"^[<\[+]")
VARIANT = re.compile(r"\(\d+\)$")


def handle(request: dict[str, Any]) -> Words:
    """`audio`: path of 16 kHz mono sound; `spans`: [start, end] in seconds, 20 at most.

    Answers (word, start, end, confidence), in order.
    """
    return [word for start, end in request["spans"] for word in hear(request["audio"], start, end)]


@cache
def _decoder() -> Decoder:
    return Decoder(loglevel="FATAL", samprate=RATE, **BEAMS)


def hear(path: str, start: float, end: float) -> Words:
    """Words with times from the start of the sound. The level is evened out: the model was trained on full scale."""
    first = round(start * RATE)
    samples, _ = soundfile.read(path, start=first, stop=round(end * RATE), dtype="float32")
    peak = float(np.abs(samples).max(initial=0))
    if peak == 0:
        return []
    parts = _decode((samples * (0.8 * 32767 / peak)).astype("<i2").tobytes())
    return [_word(part, start, end) for part in parts if not NOT_A_WORD.match(part.word)]


def _decode(pcm: bytes) -> list[Any]:
    """The parts of the best hypothesis, silences and noises too."""
    decoder = _decoder()
    decoder.start_utt()
    decoder.process_raw(pcm, full_utt=True)
    decoder.end_utt()
    return list(decoder.seg() or ())


def _word(part: Any, offset: float, end: float) -> tuple[str, float, float, float]:
    start = offset + part.start_frame / FRAMES_PER_SECOND
    stop = min(end, offset + (part.end_frame + 1) / FRAMES_PER_SECOND)
    return VARIANT.sub("", part.word), round(min(start, stop), 3), round(stop, 3), round(min(1.0, part.prob), 3)


if __name__ == "__main__":
    serve(handle)
