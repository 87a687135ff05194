"""Six frames and a contact sheet of a ten minute 1080p film, against the best single ffmpeg command for the same.

`python -m tests.bench.media [runs]`. The command seeks six times to a keyframe in one process without guards, and
draws the sheet without labels. Both are run in turn; the ratio of the medians is the figure (target: at most 1.3).
"""

from __future__ import annotations

import asyncio
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from mediaanalysis.media import frames, sheet
from mediaanalysis.media.identify import HEAD_BYTES, identify
from mediaanalysis.media.limits import MediaLimits
from mediaanalysis.media.probe import probe
from mediaanalysis.sandbox import Sandbox

LIMITS = MediaLimits(max_seconds=14_400, max_pixels=67_108_864, max_pages=1, max_characters=1)
MOMENTS = [50 + 100 * n for n in range(6)]


def make(folder: Path) -> Path:
    """A minute encoded, ten minutes joined: about 300 MB."""
    minute = "-f lavfi -i testsrc2=s=1920x1080:r=25:d=60 -f lavfi -i sine=d=60 -c:a aac"
    ffmpeg(folder, f"{minute} -c:v libx264 -preset ultrafast -g 50 -b:v 4M minute.mp4")
    (folder / "list.txt").write_text("file minute.mp4\n" * 10)
    ffmpeg(folder, "-f concat -i list.txt -c copy -movflags +faststart film.mp4")
    return folder / "film.mp4"


def ffmpeg(folder: Path, arguments: str) -> None:
    subprocess.run(["ffmpeg", "-v", "error", "-nostdin", "-y", *arguments.split()], cwd=folder, check=True)


def single_command(folder: Path) -> None:
    inputs = " ".join(f"-threads 1 -noaccurate_seek -skip_frame nokey -ss {at} -i film.mp4" for at in MOMENTS)
    graph = ";".join(
        f"[{n}:V:0]scale=1280:720,trim=end_frame=1,setpts=PTS-STARTPTS,split[f{n}][t];[t]scale=612:344[t{n}]".replace(
            "[t]", f"[s{n}]"
        )
        for n in range(6)
    )
    tiles = "".join(f"[t{n}]" for n in range(6))
    layout = "0_0|w0_0|w0+w1_0|0_h0|w0_h0|w0+w1_h0"
    stills = " ".join(f"-map [f{n}] -frames:v 1 -q:v 3 -update 1 single_{n}.jpg" for n in range(6))
    last = f"{tiles}xstack=inputs=6:layout={layout},pad=1920:1080:-1:-1[sheet]"
    ffmpeg(folder, f"{inputs} -filter_complex {graph};{last} {stills} -map [sheet] -frames:v 1 -update 1 sheet.jpg")


async def measure(film: Path, runs: int) -> None:
    sandbox = Sandbox(2)
    with film.open("rb") as file:
        identity = identify(file.read(HEAD_BYTES))
    found = await probe(sandbox, film, identity, LIMITS)
    into = film.parent / "into"
    into.mkdir()
    ours: list[float] = []
    best: list[float] = []
    for _ in range(runs):
        started = time.perf_counter()
        made, _ = await frames.extract(sandbox, film, found, identity, count=6, into=into)
        await sheet.compose(sandbox, made, folder=into)
        ours.append(time.perf_counter() - started)
        started = time.perf_counter()
        await asyncio.to_thread(single_command, film.parent)
        best.append(time.perf_counter() - started)
    own, single = statistics.median(ours), statistics.median(best)
    print(f"frames and sheet {own:.3f} s, best single command {single:.3f} s, ratio {own / single:.2f} (target 1.30)")


if __name__ == "__main__":
    with tempfile.TemporaryDirectory() as name:
        asyncio.run(measure(make(Path(name)), int(sys.argv[1]) if len(sys.argv) > 1 else 9))
