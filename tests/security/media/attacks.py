"""Every attack, and the ends it may have: completed without harm, or failed with one of its codes."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from pathlib import Path

from tests.clips import Clips
from tests.media.servers import Server, answering, serving
from tests.security.media import papers, pictures, playlists
from tests.security.media.canary import FROM_A_WORK_FOLDER, VICTIM, Canary
from tests.security.media.siege import Attack

REFUSED, DONE = frozenset({"media_unsupported"}), frozenset({"completed"})
BROKEN = frozenset({"media_damaged", "media_truncated", "media_unsupported"})
TOO_MUCH = frozenset({"media_too_large", "media_too_long", "stage_memory", "stage_crashed", "stage_timeout"})
URL_REFUSED = frozenset({"url_not_allowed", "fetch_refused"})
LOCKED = frozenset({"media_encrypted"})

ENDS: dict[str, frozenset[str]] = {
    **dict.fromkeys(playlists.POINTERS, REFUSED),
    **dict.fromkeys(playlists.TEXTS, DONE),
    "docx entity of a file": DONE,
    "docx entity of the network": DONE,
    "docx dtd outside": DONE,
    "docx parameter entity": DONE,
    "docx linked template and image": DONE,
    "docx traversal": DONE,
    "docm macros": DONE,
    "docx laughs": BROKEN,
    "docx bomb that lies": BROKEN,
    "docx bomb": TOO_MUCH,
    "pdf bomb": DONE | TOO_MUCH,
    "pdf locked": LOCKED,
    "docx locked": LOCKED,
    "archive in archive": REFUSED,
    "png bomb": TOO_MUCH,
    "gif bomb": DONE | TOO_MUCH,
    "gif of 65,535": TOO_MUCH,
    "bmp of 30,000": TOO_MUCH,
    "svg": REFUSED,
    "svg entity": REFUSED,
    "gap in pictures": TOO_MUCH,
    "html": DONE,
    "xml entity": DONE,
    "csv formula": DONE,
    "pdf actions": DONE,
    "pdf pages": DONE,
}
"""What is not here may complete, or fail as damaged or too large."""

NAMES = {
    "traversal": "../../../../tmp/evil.txt",
    "traversal of windows": "..\\..\\evil.txt",
    "absolute": "/etc/passwd",
    "encoded": "%2e%2e%2f%2e%2e%2fevil.txt",
    "nul": "a\0.txt",
    "newline": "a\r\nX-Evil: 1\r\n\r\n.txt",
    "right to left": "gpj.\u202etxt.exe",
    "long": "x" * 65_536 + ".txt",
    "option": "-i.txt",
    "protocol": "concat:secret.txt|secret.txt",
    "pattern": "a%d.png",
    "shell": "$(id)`id`;id|id&.txt",
    "markup": "<script>alert(1)</script>.html",
    "dots": "..",
    "empty": "",
    "control": "n\u00e4me\x01.txt",
    "file": "file:x.txt",
}
INSIDE = (
    "http://{canary}/x",
    "http://127.1:{port}/",
    "http://2130706433:{port}/",
    "http://0x7f000001:{port}/",
    "http://0177.0.0.1:{port}/",
    "http://localhost:{port}/",
    "http://[::ffff:127.0.0.1]:{port}/",
    "http://[::1]:{port}/",
    "http://user:password@{canary}/",
    "http://{canary}\\@example.org/",
    "file:///etc/passwd",
    "http://169.254.169.254/latest/meta-data/",
    "http://metadata.google.internal:22/",
    "gopher://{canary}/_x",
)
LURES = {
    "to the canary": "HTTP/1.1 302 Found\nLocation: http://{canary}/internal-metadata",
    "to a file": "HTTP/1.1 302 Found\nLocation: file://{secret}",
    "without a scheme": "HTTP/1.1 307 Found\nLocation: //{canary}/",
    "in circles": "HTTP/1.1 302 Found\nLocation: /in%20circles",
    "to a playlist": "HTTP/1.1 200 OK\nContent-Type: video/mp4",
    "refreshed": "HTTP/1.1 200 OK\nRefresh: 0; url=http://{canary}/\nLink: <http://{canary}/>; rel=preload",
}
"""What the attacker's server answers, by path."""


def allowed_ends(name: str) -> frozenset[str]:
    if name.startswith("fetch "):
        return URL_REFUSED | REFUSED | {"fetch_redirects"} | (DONE if name == "fetch refreshed" else frozenset())
    if name.startswith("named "):
        return DONE | {"bad_multipart"}
    return ENDS.get(name, DONE | BROKEN | TOO_MUCH)


def attacks(canary: Canary, evil: Server, clips: Clips, data_dir: Path) -> dict[str, Attack]:
    secret = str(canary.secret_file)
    pointers = _pointers(canary, data_dir)
    files = {
        **pointers,
        **papers.words(canary.address, secret),
        **papers.pdfs(canary.address, secret),
        **papers.pages(canary.address, secret),
        **pictures.bombs(),
        **pictures.polyglots(pointers["hls http"], papers.pages(canary.address, secret)["html"]),
        "docx locked": papers.locked_package(),
        "archive in archive": papers.nested_archive(),
        "gap in pictures": clips("gap.mkv").read_bytes(),
        "gap in sound": clips("sound_gap.mkv").read_bytes(),
    }
    named = {f"named {what}": Attack(b"Plain words.", name) for what, name in NAMES.items()}
    fetched = {f"fetch {name}": Attack(url=url) for name, url in _urls(canary, evil)}
    return {name: Attack(data) for name, data in files.items()} | named | fetched


def _pointers(canary: Canary, data_dir: Path) -> dict[str, bytes]:
    absolute, secret = str(data_dir / "storage" / VICTIM), str(canary.secret_file)
    texts = {**playlists.POINTERS, **playlists.TEXTS}
    places = {"relative": FROM_A_WORK_FOLDER, "absolute": absolute, "secret": secret, "canary": canary.address}
    return {name: playlists.fill(text, **places) for name, text in texts.items()}


def _urls(canary: Canary, evil: Server) -> Iterator[tuple[str, str]]:
    for url in INSIDE:
        yield url, url.format(canary=canary.address, port=canary.port)
    for name in LURES:
        yield name, f"http://127.0.0.2:{evil.port}/{name.replace(' ', '%20')}"


@asynccontextmanager
async def evil_server(canary: Canary) -> AsyncIterator[Server]:
    playlist = f"#EXTM3U\n#EXTINF:4,\nhttp://{canary.address}/x.ts\n#EXT-X-ENDLIST\n".encode()

    async def handler(path: str, writer: asyncio.StreamWriter) -> None:
        head = LURES[path.strip("/").replace("%20", " ")].format(canary=canary.address, secret=canary.secret_file)
        body = playlist if "playlist" in path else b"Plain words."
        await answering(f"{head}\nContent-Length: {len(body)}", body)(path, writer)

    async with serving(handler, host="127.0.0.2") as server:
        yield server
