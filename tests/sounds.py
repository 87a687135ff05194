"""Sounds made by arithmetic: something that moves like speech, and much that does not. 16 kHz mono, float, -1 to 1."""

from __future__ import annotations

import subprocess
from pathlib import Path

import numpy as np
import pytest
import soundfile
from numpy.typing import NDArray

RATE = 16_000
Samples = NDArray[np.float64]

VOWELS = ((730, 1090, 2440), (270, 2290, 3010), (300, 870, 2240), (530, 1840, 2480), (570, 840, 2410))
"""Formants in Hz: a, i, u, e, o."""


CLIP = Path(__file__).parents[2] / "shared/media/jfk.flac"
needs_clip = pytest.mark.skipif(not CLIP.exists(), reason="the real clips are not here")


def real_speech(folder: Path) -> Path:
    """The clip as the audio stage leaves it."""
    path = folder / "audio.flac"
    subprocess.run(["ffmpeg", "-v", "error", "-i", CLIP, "-ac", "1", "-ar", str(RATE), path], check=True)
    return path


def write(path: Path, samples: Samples) -> Path:
    soundfile.write(path, samples / max(1e-9, np.abs(samples).max()) * 0.5, RATE, subtype="PCM_16")
    return path


def time(seconds: float) -> Samples:
    return np.arange(int(seconds * RATE)) / RATE


def silence(seconds: float) -> Samples:
    return np.zeros(int(seconds * RATE))


def noise(seconds: float, seed: int = 1) -> Samples:
    return np.random.default_rng(seed).normal(size=int(seconds * RATE))


def speech_like(seconds: float) -> Samples:
    """Four syllables a second: a gliding voice through changing formants, each behind a breath of noise."""
    t = time(seconds)
    pitch = 130 + 25 * np.sin(2 * np.pi * 0.8 * t) + 12 * np.sin(2 * np.pi * 2.3 * t)
    phase = 2 * np.pi * np.cumsum(pitch) / RATE
    syllable = (t * 4).astype(int)
    envelope = np.sin(np.pi * (t * 4 % 1)) ** 2
    formants = np.array(VOWELS)[syllable % len(VOWELS)]
    voice = np.zeros_like(t)
    for harmonic in range(1, 30):
        distance = (harmonic * pitch)[:, None] - formants
        gain = (1 / (1 + (distance / 90) ** 2)).sum(axis=1) / harmonic**0.5
        voice += gain * np.sin(harmonic * phase) * (harmonic * pitch < RATE / 2)
    return voice * envelope + 0.05 * noise(seconds) * (t * 4 % 1 < 0.15)


def tone(seconds: float, hertz: float = 440) -> Samples:
    return np.sin(2 * np.pi * hertz * time(seconds))


def beeps(seconds: float) -> Samples:
    return tone(seconds, 1000) * (time(seconds) % 0.5 > 0.25)


def siren(seconds: float) -> Samples:
    t = time(seconds)
    return np.sin(2 * np.pi * (600 * t + 60 * np.sin(np.pi * t)))


def throbbing_noise(seconds: float) -> Samples:
    return noise(seconds) * (0.55 + 0.45 * np.sin(2 * np.pi * 4 * time(seconds)))


def note(hertz: float, seconds: float) -> Samples:
    t = time(seconds)
    return sum((np.sin(2 * np.pi * hertz * k * t) / k**1.2 for k in range(1, 7)), np.zeros_like(t)) * np.exp(-2 * t)


def melody(seconds: float) -> Samples:
    steps = np.random.default_rng(2).integers(0, 13, int(seconds * 4))
    return np.concatenate([note(220 * 2 ** (step / 12), 0.25) for step in steps])


def chords(seconds: float) -> Samples:
    roots = [0, 5, 7, 0, 3, 8, 10, 5] * int(seconds)
    triads = [sum((note(220 * 2 ** ((r + i) / 12), 0.5) for i in (0, 4, 7)), silence(0.5)) for r in roots]
    return np.concatenate(triads)[: int(seconds * RATE)]


def drums(seconds: float) -> Samples:
    beat = time(seconds) % 0.25
    return noise(seconds) * np.exp(-30 * beat) + 3 * np.sin(2 * np.pi * 60 * beat) * np.exp(-15 * beat)


NOT_SPEECH = {
    "silence": silence,
    "noise": noise,
    "throbbing noise": throbbing_noise,
    "tone": tone,
    "beeps": beeps,
    "siren": siren,
    "melody": melody,
    "chords": chords,
    "drums": drums,
    "band": lambda seconds: melody(seconds) + 0.8 * chords(seconds) + 0.6 * drums(seconds) / 3,
}
