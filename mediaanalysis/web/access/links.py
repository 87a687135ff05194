"""Signed links: an address that opens one artifact to whoever has it, until it expires, without a key.

    /api/media/{id}/files/clip.mp4?expires=1790000000&key=KEY_ID&signature=…

The signature (HMAC-SHA256) covers the path, the parameters before it, the expiry and the key that made it: none can be
changed. A link ends with its time, with its key, and with the secret. Pure, but for the clock it is given.
"""

from __future__ import annotations

import base64
import hmac
import re
from uuid import UUID

from msgspec import Struct

LONGEST_SECONDS = 7 * 86_400
SHORTEST_SECONDS = 60
USUAL_SECONDS = 3600

_ARTIFACT = re.compile(r"/api/media/[0-9a-f-]{36}/(transcript|contact-sheet|frames/[0-9]+|files/[^/]+)")
_SIGNED = re.compile(
    r"(?:(?P<rest>.*)&)?expires=(?P<expires>[0-9]{1,12})(?:&key=(?P<key>[0-9a-f-]{36}))?&signature=(?P<mac>[\w-]{43})"
)


class Link(Struct, frozen=True):
    """A link whose signature is right. `key_id` None: made while there were no keys. `rest`: the other parameters."""

    key_id: UUID | None
    expires: int
    rest: str


def is_signed(query: str) -> bool:
    """Whether it claims to be such a link."""
    return "signature=" in query


def sign(secret: bytes, path: str, rest: str, key_id: UUID | None, expires: int) -> str:
    """What to put behind `?` of the address. `path` is decoded, `expires` in seconds since 1970."""
    claims = [*([rest] if rest else []), f"expires={expires}", *([f"key={key_id}"] if key_id else [])]
    query = "&".join(claims)
    return f"{query}&signature={_mac(secret, path, query)}"


def read(secret: bytes, path: str, query: str) -> Link | None:
    """The link, or None where it is not one of ours for this address. Whether it has expired is the caller's to see."""
    found = _SIGNED.fullmatch(query)
    if found is None or not secret or not _ARTIFACT.fullmatch(path):
        return None
    signed = query[: found.start("mac") - len("&signature=")]
    if not hmac.compare_digest(_mac(secret, path, signed), found["mac"]):
        return None
    try:
        key_id = UUID(found["key"]) if found["key"] else None
    except ValueError:
        return None
    return Link(key_id, int(found["expires"]), found["rest"] or "")


def _mac(secret: bytes, path: str, query: str) -> str:
    digest = hmac.digest(secret, f"{path}\n{query}".encode("utf-8", "surrogateescape"), "sha256")
    return base64.urlsafe_b64encode(digest).rstrip(b"=").decode()
