"""Child: where in a sound is a voice?

WebRTC's detector (it comes with pocketsphinx) finds candidates, but it takes music, tones and noise for speech too.
A candidate counts only if it moves like speech: a good part of it is voiced, the pitch of the voiced part glides all
the time (notes and tones stand still or jump), and its level rises and falls with the syllables (noise does not).
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from itertools import pairwise
from typing import Any

import numpy as np
import soundfile
from numpy.typing import NDArray
from pocketsphinx import Vad

from mediaanalysis.sandbox.child import serve

Floats = NDArray[np.float32]
Flags = NDArray[np.bool_]

RATE = 16_000
HOP = 160
WINDOW = 512
HOPS_PER_SECOND = RATE // HOP
HOPS_PER_DECISION = 3
BLOCK = 30 * RATE
"""Samples measured at once, a multiple of the detector's 30 ms: memory does not grow with the length of the sound."""
OVERLAP = WINDOW - HOP
THREADS = 2

UNKNOWN = 2**63 - 1
"""libsndfile's length of a FLAC file whose header says 0: ffmpeg leaves one where there was no sample to write."""
FAINT = 10 ** (-66 / 20)
"""A sound whose loudest sample lies below is silence: two steps of 16 bits."""
PITCH_LAGS = slice(40, 230)
"""70 to 400 Hz."""
VOICED = 0.6
ACTIVE_DB = 30
MERGE_HOPS, SHORTEST_HOPS, PAD_HOPS = 30, 15, 10
JUDGED_HOPS = 500
CUT_HOPS, LONGEST_HOPS, QUIET_HOPS = 1000, 2000, 20
"""A longer span is cut between the first two, at the quietest moment: rather between words than in one."""


def handle(request: dict[str, Any]) -> list[tuple[float, float]]:
    """`audio`: path of 16 kHz mono sound. Answers the spans with a voice in them, in seconds, in order."""
    return find(request["audio"])


def find(path: str) -> list[tuple[float, float]]:
    samples = soundfile.info(path).frames
    if samples == UNKNOWN:
        return []
    peak = max((float(np.abs(block).max()) for block in _blocks(path)), default=0.0)
    if peak < FAINT:
        return []
    detected, measures = _measure(path, 0.5 / peak)
    pieces = [piece for run in _runs(detected) for piece in _split(*run)]
    spoken = [piece for piece in pieces if is_speech(*_around(measures, *piece))]
    short = [part for run in _join(spoken) for part in _cut(measures[:, 0], *run)]
    return [(max(0, start * HOP) / RATE, min(stop * HOP, samples) / RATE) for start, stop in short]


def _blocks(path: str) -> Iterator[Floats]:
    """Blocks that overlap by what the last window of each needs; silence fills up the last one."""
    yield from soundfile.blocks(path, BLOCK + OVERLAP, OVERLAP, dtype="float32", fill_value=0.0)


def _measure(path: str, gain: float) -> tuple[Flags, Floats]:
    """Per hop: the detector's word, and (level in dB, voicing 0 to 1, pitch in octaves).

    NumPy lets go of the interpreter lock: blocks are measured in threads while the detector hears them in order.
    """
    detector = Vad(Vad.STRICT, RATE, HOPS_PER_DECISION / HOPS_PER_SECOND)
    detected: list[Flags] = []
    measured: list[Floats] = []
    with ThreadPoolExecutor(THREADS) as threads:
        ahead: deque[Future[Floats]] = deque()
        for block in _blocks(path):
            ahead.append(threads.submit(measure, block * gain))
            detected.append(_detect(detector, block * gain))
            if len(ahead) > THREADS:
                measured.append(ahead.popleft().result())
        measured.extend(each.result() for each in ahead)
    return np.concatenate(detected), np.concatenate(measured)


def _detect(detector: Vad, samples: Floats) -> Flags:
    pcm = (samples * 32767).astype("<i2").tobytes()
    size = detector.frame_bytes
    words = [detector.is_speech(pcm[at : at + size]) for at in range(0, 2 * BLOCK, size)]
    return np.repeat(np.array(words, dtype=np.bool_), HOPS_PER_DECISION)


def measure(samples: Floats) -> Floats:
    """Level, voicing and pitch of each hop. Voicing is the autocorrelation at the pitch, below 1500 Hz."""
    taper = np.hanning(WINDOW).astype(np.float32)
    frames = np.lib.stride_tricks.sliding_window_view(samples, WINDOW)[::HOP] * taper
    power = np.abs(np.fft.rfft(frames, axis=1)) ** 2 + 1e-10
    level = 10 * np.log10(power[:, _bins(200, 4000)].sum(axis=1) + 1e-7)
    power[:, _bins(1500, RATE)] = 0
    correlation = np.fft.irfft(power, axis=1)
    fading = np.fft.irfft(np.abs(np.fft.rfft(taper)) ** 2)
    peaks = correlation[:, PITCH_LAGS] / correlation[:, :1] * (fading[0] / fading[PITCH_LAGS])
    pitch = np.log2(RATE / (PITCH_LAGS.start + peaks.argmax(axis=1)))
    return np.stack([level, peaks.max(axis=1), pitch], axis=1).astype(np.float32)


def _bins(low_hz: float, high_hz: float) -> slice:
    return slice(round(low_hz * WINDOW / RATE), min(round(high_hz * WINDOW / RATE), WINDOW // 2 + 1))


def is_speech(level: Floats, voicing: Floats, pitch: Floats) -> bool:
    """Whether some seconds of sound move like speech. Thresholds lie midway between speech (clean, in noise at 5 dB,
    over music at 5 dB) and what is not: noise steady or throbbing, tones, beeps, a siren, chords, melodies, drums."""
    active = level > level.max() - ACTIVE_DB
    voiced = active & (voicing > VOICED)
    steps = 12 * np.abs(np.diff(pitch))[voiced[1:] & voiced[:-1]]
    if steps.size < SHORTEST_HOPS // 2:
        return False
    gliding = float(np.mean((steps > 0.05) & (steps < 1.5)))
    return bool(gliding > 0.22 and voiced.sum() > 0.2 * active.sum() and level[active].std() > 3.8)


def _around(measures: Floats, start: int, stop: int) -> tuple[Floats, Floats, Floats]:
    """The hops that decide about a piece: at least five seconds, if the sound is so long."""
    middle = (start + stop) // 2
    low = max(0, min(start, middle - JUDGED_HOPS // 2))
    level, voicing, pitch = measures[low : max(stop, low + JUDGED_HOPS)].T
    return level, voicing, pitch


def _runs(flags: Flags) -> list[tuple[int, int]]:
    """Runs of True: closer ones merged, the shortest dropped."""
    edges = np.flatnonzero(np.diff(np.concatenate([[False], flags, [False]]).astype(np.int8)))
    runs = _join([(int(start), int(stop)) for start, stop in edges.reshape(-1, 2)], MERGE_HOPS, 0)
    return [run for run in runs if run[1] - run[0] >= SHORTEST_HOPS]


def _split(start: int, stop: int) -> list[tuple[int, int]]:
    """Equal pieces, none longer than what is judged at once: music may turn into speech without a pause."""
    count = -(-(stop - start) // JUDGED_HOPS)
    cuts = np.linspace(start, stop, count + 1).astype(int).tolist()
    return list(pairwise(cuts))


def _cut(level: Floats, start: int, stop: int) -> Iterator[tuple[int, int]]:
    while stop - start > LONGEST_HOPS:
        candidates = level[start + CUT_HOPS : start + LONGEST_HOPS]
        smooth = np.convolve(candidates, np.ones(QUIET_HOPS), "valid")
        cut = start + CUT_HOPS + int(smooth.argmin()) + QUIET_HOPS // 2
        yield start, cut
        start = cut
    yield start, stop


def _join(spans: list[tuple[int, int]], distance: int = 1, pad: int = PAD_HOPS) -> list[tuple[int, int]]:
    """Spans closer than `distance` become one; then each grows by `pad` on both sides."""
    joined: list[tuple[int, int]] = []
    for start, stop in spans:
        if joined and start - joined[-1][1] < distance:
            joined[-1] = (joined[-1][0], stop)
        else:
            joined.append((start, stop))
    return [(start - pad, stop + pad) for start, stop in joined]


if __name__ == "__main__":
    serve(handle)
