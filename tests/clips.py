"""Media to test on, made by ffmpeg and Pillow on first use, once for all processes of a test session.

`clips("rotated.mp4")` answers the path. `RECIPES` says what each is: ffmpeg arguments, or a function that writes it.
"""

from __future__ import annotations

import fcntl
import os
import struct
import subprocess
import zlib
from collections.abc import Callable
from pathlib import Path

import pytest
from PIL import Image, ImageDraw

SHARED = Path(__file__).parents[2] / "shared" / "media"

VIDEO = "-f lavfi -i testsrc2=s=320x180:r=10:d=4"
SOUND = "-f lavfi -i sine=frequency=440:duration=4:sample_rate=44100"
X264 = "-c:v libx264 -preset ultrafast -pix_fmt yuv420p"
TALKIE = f"{VIDEO} {SOUND} {X264} -g 10 -c:a aac"

Recipe = str | Callable[["Clips", Path], None]


class Clips:
    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def __call__(self, name: str) -> Path:
        """The clip's path; it is made if no process has made it yet."""
        path = self.folder / name
        with (self.folder / f".{name}.lock").open("w") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)
            if not path.exists():
                self._make(path, RECIPES[name])
        return path

    def _make(self, path: Path, recipe: Recipe) -> None:
        new = path.with_name(f"new-{path.name}")
        if callable(recipe):
            recipe(self, new)
        else:
            self.ffmpeg(f"{recipe} {new}")
        new.replace(path)

    def ffmpeg(self, arguments: str) -> None:
        command = ["ffmpeg", "-v", "error", "-nostdin", "-y", *arguments.split()]
        subprocess.run(command, check=True, cwd=self.folder)


@pytest.fixture(scope="session")
def clips(tmp_path_factory: pytest.TempPathFactory) -> Clips:
    """One folder for all processes: xdist gives each its own below the session's."""
    own = tmp_path_factory.getbasetemp()
    folder = (own.parent if os.environ.get("PYTEST_XDIST_WORKER") else own) / "clips"
    folder.mkdir(exist_ok=True)
    return Clips(folder)


@pytest.fixture(scope="session")
def shared_media() -> Path:
    """Real clips beside the checkout; a test that wants them skips where they are not."""
    if not SHARED.is_dir():
        pytest.skip(f"{SHARED} is not there")
    return SHARED


def _head(name: str, share: float) -> Recipe:
    def write(clips: Clips, path: Path) -> None:
        data = clips(name).read_bytes()
        path.write_bytes(data[: int(len(data) * share)])

    return write


def _picture(**options: object) -> Recipe:
    def write(clips: Clips, path: Path) -> None:
        image = Image.new("RGB", (640, 360), "white")
        ImageDraw.Draw(image).text((40, 150), "Invoice 4711", fill="black", font_size=60)
        image.save(path, **options)

    return write


def _located(clips: Clips, path: Path) -> None:
    """A photo taken upright, at a place that nobody is to know."""
    exif = Image.Exif()
    exif[0x0112] = 6
    exif[0x010E] = "at my home"
    exif.get_ifd(0x8825).update({1: "N", 2: (52.0, 31.0, 12.0), 3: "E", 4: (13.0, 24.0, 18.0)})
    Image.new("RGB", (400, 300), "teal").save(path, "JPEG", exif=exif)


def _animated(count: int, size: tuple[int, int] = (64, 48), seconds: float = 0.5) -> Recipe:
    def write(clips: Clips, path: Path) -> None:
        shades = [Image.new("L", size, n * 37 % 256) for n in range(count)]
        shades[0].save(path, save_all=True, append_images=shades[1:], duration=round(seconds * 1000), loop=0)

    return write


def _huge_png(clips: Clips, path: Path) -> None:
    """30,000 x 30,000 claimed in a few bytes: the size stands in the header."""
    Image.new("1", (8, 8)).save(path, "PNG")
    data = bytearray(path.read_bytes())
    data[16:24] = struct.pack(">II", 30_000, 30_000)
    data[29:33] = struct.pack(">I", zlib.crc32(data[12:29]))
    path.write_bytes(data)


def _gap(clips: Clips, path: Path) -> None:
    """Two pictures, 100,000 s apart."""
    source = "-f lavfi -i testsrc2=s=64x64:r=1:d=2 -vf setpts=N*100000/TB -fps_mode passthrough"
    clips.ffmpeg(f"{source} {X264} -g 1 -f matroska {path}")


RECIPES: dict[str, Recipe] = {
    "plain.mp4": f"{TALKIE} -movflags +faststart",
    "plain.mov": TALKIE,
    "plain.mkv": TALKIE,
    "plain.webm": f"{VIDEO} {SOUND} -c:v libvpx -deadline realtime -cpu-used 8 -g 10 -c:a libopus",
    "plain.avi": f"{VIDEO} {SOUND} -c:v mpeg4 -g 10 -c:a libmp3lame",
    "plain.ts": TALKIE,
    "plain.mpg": f"{VIDEO.replace('r=10', 'r=25')} {SOUND} -c:v mpeg2video -g 10 -c:a mp2",
    "plain.flv": f"{VIDEO} {SOUND} {X264} -g 10 -c:a aac",
    "plain.3gp": f"{VIDEO} {SOUND} {X264} -g 10 -c:a aac",
    "plain.wmv": f"{VIDEO} {SOUND} -c:v wmv2 -g 10 -c:a wmav2",
    "plain.ogv": f"{VIDEO} {SOUND} -c:v libtheora -g 10 -c:a libvorbis",
    "hevc.mp4": f"{VIDEO} -c:v libx265 -preset ultrafast -x265-params log-level=error:keyint=10 -tag:v hvc1",
    "sound.mp3": SOUND,
    "sound.wav": SOUND,
    "sound.ogg": f"{SOUND} -c:a libopus",
    "vorbis.ogg": f"{SOUND} -c:a libvorbis",
    "sound.m4a": SOUND,
    "sound.flac": SOUND,
    "sound.aac": SOUND,
    "sound.aiff": SOUND,
    "sound.wma": f"{SOUND} -c:a wmav2 -f asf",
    "rotated.mp4": lambda clips, path: clips.ffmpeg(
        f"-i {clips('plain.mp4')} -c copy -metadata:s:v:0 rotate=90 {path}"
    ),
    "anamorphic.mp4": f"{VIDEO} -vf setsar=4/3 {X264}",
    "ten_bit.mp4": f"{VIDEO} -c:v libx264 -preset ultrafast -pix_fmt yuv420p10le",
    "hdr.mp4": f"{VIDEO} -c:v libx265 -preset ultrafast -pix_fmt yuv420p10le -tag:v hvc1"
    " -x265-params log-level=error:colorprim=bt2020:transfer=smpte2084:colormatrix=bt2020nc",
    "variable_rate.mp4": f"{VIDEO} -vf select='not(mod(n\\,7))+gt(n\\,30)' -fps_mode vfr {X264}",
    "one_keyframe.mp4": f"-f lavfi -i testsrc2=s=320x180:r=10:d=30 {X264} -g 9999",
    "late_start.ts": f"{VIDEO} {SOUND} {X264} -g 10 -c:a aac -output_ts_offset 100",
    "tracks.mkv": f"{VIDEO} {SOUND} -f lavfi -i sine=frequency=880:duration=4 -map 0:v -map 1:a -map 2:a {X264}"
    " -c:a aac -metadata:s:a:0 language=eng -metadata:s:a:1 language=ger -disposition:a:0 0 -disposition:a:1 default",
    "cover.mp3": lambda clips, path: clips.ffmpeg(
        f"-i {clips('sound.mp3')} -i {clips('text.png')} -map 0 -map 1 -c copy -disposition:v attached_pic {path}"
    ),
    "silent.mp4": f"{VIDEO} {X264}",
    "no_duration.webm": f"{VIDEO} {SOUND} -c:v libvpx -deadline realtime -cpu-used 8 -c:a libopus -live 1",
    "encrypted.mp4": f"{VIDEO} {X264} -encryption_scheme cenc-aes-ctr"
    " -encryption_key 76a6c65c5ea762046bd749a2e632ccbb -encryption_kid a7e61c373e219033c21091fa607bf3b8",
    "truncated.mp4": _head("plain.mp4", 0.4),
    "header_only.mp4": _head("plain.mp4", 0.025),
    "no_index.mov": _head("plain.mov", 0.9),
    "cancel.wav": "-f lavfi -i aevalsrc='0.5*sin(2764*t)|-0.5*sin(2764*t)':d=2:s=44100",
    "pauses.wav": "-f lavfi -i aevalsrc='if(between(t,1,2)+gt(t,3),0,sin(2764*t))':d=4:s=44100",
    "silence.wav": "-f lavfi -i anullsrc=r=8000:cl=mono -t 2",
    "silence_stereo.wav": "-f lavfi -i anullsrc=r=8000:cl=stereo -t 2",
    "sound_gap.mkv": f"{SOUND} -af asetpts='PTS+gt(T,2)*10000/TB' -c:a aac",
    "late_sound.mkv": f"{VIDEO} -itsoffset 2 {SOUND} -t 4 -map 0 -map 1 {X264} -c:a aac",
    "gap.mkv": _gap,
    "text.png": _picture(),
    "text.jpg": _picture(quality=90),
    "text.webp": _picture(),
    "text.bmp": _picture(),
    "text.tiff": _picture(),
    "text.gif": _picture(),
    "located.jpg": _located,
    "animated.gif": _animated(10),
    "animated.webp": _animated(10),
    "many.gif": _animated(600, (16, 16), 0.02),
    "cut.jpg": _head("text.jpg", 0.6),
    "huge.png": _huge_png,
}
