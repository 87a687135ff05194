"""Whole files of every kind that is taken, as small as they can be: what mutations begin with."""

from __future__ import annotations

import io
import subprocess
from collections.abc import Callable
from functools import partial
from pathlib import Path

import docx
from PIL import Image, ImageDraw

from tests.media.pdf_bytes import pdf

PICTURE = "-f lavfi -i testsrc2=s=64x64:r=25:d=0.4"
SOUND = "-f lavfi -i sine=frequency=440:duration=0.4:sample_rate=16000"
H264 = "-c:v libx264 -preset ultrafast -pix_fmt yuv420p -g 5"
AAC = "-c:a aac"
VIDEOS = {
    "mp4": f"{H264} {AAC} -movflags +faststart",
    "fragmented.mp4": f"{H264} {AAC} -movflags +frag_keyframe+empty_moov",
    "mov": f"{H264} {AAC}",
    "mkv": f"{H264} {AAC}",
    "webm": "-c:v libvpx -deadline realtime -cpu-used 8 -c:a libopus",
    "avi": "-c:v mpeg4 -c:a libmp3lame",
    "ts": f"{H264} {AAC}",
    "mpg": "-c:v mpeg2video -c:a mp2",
    "flv": f"{H264} {AAC} -ar 22050",
    "wmv": "-c:v wmv2 -c:a wmav2",
    "ogv": "-c:v libtheora -c:a libvorbis",
}
SOUNDS = {
    "mp3": "-c:a libmp3lame",
    "wav": "-c:a pcm_s16le",
    "flac": "-c:a flac",
    "ogg": "-c:a libopus",
    "vorbis.ogg": "-c:a libvorbis",
    "m4a": AAC,
    "aac": AAC,
    "aiff": "-c:a pcm_s16be",
    "wma": "-c:a wmav2 -f asf",
}
PICTURES = {"png": "PNG", "jpg": "JPEG", "gif": "GIF", "webp": "WEBP", "bmp": "BMP", "tiff": "TIFF", "avif": "AVIF",
            "pdf": "PDF"}  # fmt: skip
SENTENCE = "Invoice 4711 is due on Friday. The password of room 7 is given at the gate.\n"
PAGE = f"<!doctype html><title>A page</title><h1>Gate</h1><p>{SENTENCE}<table><tr><td>1<td>2</table>"
TEXTS = {
    "txt": SENTENCE * 4,
    "md": f"# Gate\n\n{SENTENCE}\n## Room 7\n\n- [ ] {SENTENCE}",
    "csv": "name;room;due\nInvoice;7;Friday\nGate;8;Monday\n" * 4,
    "html": PAGE,
}


def make(folder: Path) -> dict[str, bytes]:
    """Name (its end tells the kind) to bytes. The same ffmpeg gives the same bytes."""
    return {**_films(folder), **_pictures(), **_documents(), **_texts()}


def heads(folder: Path, size_bytes: int = 300_000) -> dict[str, bytes]:
    """The first part of each real clip in `folder`."""
    clips = [path for path in sorted(folder.iterdir()) if path.suffix in {".mp4", ".flac"}]
    return {f"real.{path.name}": path.read_bytes()[:size_bytes] for path in clips}


def _films(folder: Path) -> dict[str, bytes]:
    """By one ffmpeg: starting it takes longer than any of them."""
    films = [f"-map 0 -map 1 -bitexact {how} film.{end}" for end, how in VIDEOS.items()]
    sounds = [f"-map 1 -bitexact {how} sound.{end}" for end, how in SOUNDS.items()]
    command = " ".join(["ffmpeg -v error -nostdin -y", PICTURE, SOUND, *films, *sounds])
    subprocess.run(command.split(), check=True, cwd=folder)
    return {path.name: path.read_bytes() for path in sorted(folder.iterdir())}


def _pictures() -> dict[str, bytes]:
    image = Image.new("RGB", (160, 48), "white")
    ImageDraw.Draw(image).text((8, 8), "Room 7", fill="black", font_size=30)
    shades = [Image.new("L", (16, 16), shade) for shade in (0, 120, 240)]
    animation = {"save_all": True, "append_images": shades[1:], "duration": 100}
    still = {f"still.{end}": _saved(partial(image.save, format=form)) for end, form in PICTURES.items()}
    moving = {f"moving.{end}": _saved(partial(shades[0].save, format=end, **animation)) for end in ("gif", "webp")}
    return {**still, **moving}


def _documents() -> dict[str, bytes]:
    document = docx.Document()
    document.add_heading("Gate", 1)
    document.add_paragraph(SENTENCE)
    document.add_table(2, 2).cell(0, 0).text = "Invoice"
    return {"text.docx": _saved(document.save), "text.pdf": pdf([[SENTENCE.strip()], ["Second page"]])}


def _texts() -> dict[str, bytes]:
    return {f"text.{end}": text.encode() for end, text in TEXTS.items()} | {"wide.txt": SENTENCE.encode("utf-16")}


def _saved(save: Callable[[io.BytesIO], object]) -> bytes:
    into = io.BytesIO()
    save(into)
    return into.getvalue()
