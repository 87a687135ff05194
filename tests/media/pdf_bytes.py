"""PDFs written by hand: the few objects that make one."""

from __future__ import annotations

from collections.abc import Sequence

FONT = b"<< /Type /Font /Subtype /Type1 /BaseFont /Helvetica >>"


def pdf(pages: Sequence[Sequence[str]], *, title: str = "A report", box: str = "0 0 595 842") -> bytes:
    """One page for each list of lines."""
    kids = b" ".join(b"%d 0 R" % (5 + 2 * number) for number in range(len(pages)))
    objects = [
        b"<< /Type /Catalog /Pages 2 0 R >>",
        b"<< /Type /Pages /Kids [%s] /Count %d >>" % (kids, len(pages)),
        FONT,
        b"<< /Title (%s) >>" % title.encode(),
    ]
    for number, lines in enumerate(pages):
        drawn = b" ".join(b"(%s) Tj T*" % line.encode() for line in lines)
        content = b"BT /F1 14 Tf 72 770 Td 20 TL %s ET" % drawn
        resources = b"/Resources << /Font << /F1 3 0 R >> >>"
        objects += [
            b"<< /Type /Page /Parent 2 0 R /MediaBox [%s] %s /Contents %d 0 R >>"
            % (box.encode(), resources, 6 + 2 * number),
            b"<< /Length %d >>\nstream\n%s\nendstream" % (len(content), content),
        ]
    return assemble(objects, b"/Root 1 0 R /Info 4 0 R")


def assemble(objects: Sequence[bytes], trailer: bytes) -> bytes:
    body, offsets = b"%PDF-1.4\n", []
    for number, each in enumerate(objects, start=1):
        offsets.append(len(body))
        body += b"%d 0 obj\n%s\nendobj\n" % (number, each)
    table = b"".join(b"%010d 00000 n \n" % offset for offset in offsets)
    count = len(objects) + 1
    return b"%sxref\n0 %d\n0000000000 65535 f \n%strailer\n<< /Size %d %s >>\nstartxref\n%d\n%%%%EOF\n" % (
        body,
        count,
        table,
        count,
        trailer,
        len(body),
    )


def encrypted() -> bytes:
    """Asks for a password that nobody knows: its check value is noise."""
    noise = b"<%s>" % (b"5a" * 32)
    security = b"<< /Filter /Standard /V 1 /R 2 /Length 40 /P -4 /O %s /U %s >>" % (noise, noise)
    objects = [
        b"<< /Type /Catalog /Pages 2 0 R >>",
        b"<< /Type /Pages /Kids [3 0 R] /Count 1 >>",
        b"<< /Type /Page /Parent 2 0 R /MediaBox [0 0 10 10] >>",
        security,
    ]
    return assemble(objects, b"/Root 1 0 R /Encrypt 4 0 R /ID [<00><00>]")
