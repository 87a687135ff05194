"""Pictures that are small to send and large to open, and files that are two things at once."""

from __future__ import annotations

import struct
import zlib

PNG = b"\x89PNG\r\n\x1a\n"
MP4_HEAD = b"\x00\x00\x00\x18ftypisom\x00\x00\x02\x00isomiso2"
GIF_PICTURE = b"!\xf9\x04\x00\x05\x00\x00\x00,\x00\x00\x00\x00\x01\x00\x01\x00\x00\x02\x02\x44\x01\x00"
"""One pixel, shown for 50 ms."""


def chunk(kind: bytes, data: bytes) -> bytes:
    return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))


def png(side: int, *, inside: bytes = b"") -> bytes:
    """A square of one bit a pixel, all black; `inside` is a chunk of text."""
    header = struct.pack(">IIBBBBB", side, side, 1, 0, 0, 0, 0)
    pixels = zlib.compress(bytes((side + 7) // 8 + 1) * side)
    return PNG + chunk(b"IHDR", header) + chunk(b"tEXt", inside) + chunk(b"IDAT", pixels) + chunk(b"IEND", b"")


def gif(side: int, count: int) -> bytes:
    """So many pictures on a canvas of that side."""
    return b"GIF89a" + struct.pack("<HHBBB", side, side, 0x80, 0, 0) + bytes(6) + GIF_PICTURE * count + b";"


def bombs() -> dict[str, bytes]:
    return {
        "png bomb": png(15_000),
        "png compressed text": PNG
        + chunk(b"IHDR", struct.pack(">IIBBBBB", 1, 1, 1, 0, 0, 0, 0))
        + chunk(b"zTXt", b"a\0\0" + zlib.compress(bytes(80_000_000)))
        + chunk(b"IDAT", zlib.compress(bytes(2)))
        + chunk(b"IEND", b""),
        "gif bomb": gif(6000, 40),
        "gif of 65,535": gif(65_535, 2),
        "bmp of 30,000": b"BM" + struct.pack("<IIIIiiHHIIiiII", 54, 0, 54, 40, 30_000, 30_000, 1, 24, 0, 0, 0, 0, 0, 0),
    }


def polyglots(pointer: bytes, page: bytes) -> dict[str, bytes]:
    return {
        "mp4 then playlist": MP4_HEAD + pointer,
        "ts then playlist": (b"G" + bytes(187)) * 4 + pointer,
        "id3 then playlist": b"ID3\x04\0\0\0\0\0\0" + pointer,
        "png with a page": png(8, inside=b"Comment\0" + page),
        "gif then page": gif(8, 1) + page,
        "jpeg head then page": b"\xff\xd8\xff\xe0" + page,
        "pdf in a page": page + b"\n%PDF-1.4\n",
        "zip after gif": gif(8, 1) + b"PK\x03\x04" + bytes(30),
    }
