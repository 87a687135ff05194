"""Whose request it is when proxies stand in front: the address the outermost trusted one saw, for log and audit.

What a client says about itself is never believed: of the addresses in `X-Forwarded-For` (else `Forwarded`, RFC 7239)
only those count that a trusted proxy added, from the right. A proxy must set or remove the header it does not speak.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Sequence
from ipaddress import IPv4Network, IPv6Address, IPv6Network, ip_address, ip_network

from starlette.types import ASGIApp, Receive, Scope, Send

from mediaanalysis.errors import ConfigurationError

HOPS_MAX = 16
Network = IPv4Network | IPv6Network

_FOR = re.compile(r'(?:^|;)\s*for\s*=\s*(?:"(?P<quoted>[^"]*)"|(?P<token>[^;,\s"]+))', re.IGNORECASE)
_ADDRESS = re.compile(r"\[(?P<inside>[^\]]*)\](?::\w*)?|(?P<ipv4>[0-9.]+)(?::\w*)?|(?P<plain>[0-9A-Fa-f:.]+)")


def networks(texts: Iterable[str]) -> tuple[Network, ...]:
    """Addresses and CIDRs. Raises ConfigurationError."""
    try:
        return tuple(ip_network(text, strict=False) for text in texts)
    except ValueError as error:
        raise ConfigurationError(f"TRUSTED_PROXIES: {error} (addresses or CIDRs, comma separated)") from None


def client_address(peer: str, headers: Iterable[tuple[bytes, bytes]], trusted: Sequence[Network]) -> str:
    """The peer unless it is trusted; else the nearest address that is not, in canonical form. Beyond an address that
    cannot be read nothing is known: then it is that of the proxy which wrote it."""
    known = canonical(peer.partition("%")[0])  # a link-local peer's comes with its zone
    if known is None or not _is_trusted(known, trusted):
        return known or peer
    for text in _told(headers):
        found = canonical(_bare(text))
        if found is None:
            return known
        known = found
        if not _is_trusted(known, trusted):
            return known
    return known


def addresses_told(headers: Iterable[tuple[bytes, bytes]]) -> Iterator[str | None]:
    """Whoever proxies say the request is from, the nearest first; None for what cannot be read. None of it need be
    true."""
    return (canonical(_bare(text)) for text in _told(headers))


def _told(headers: Iterable[tuple[bytes, bytes]]) -> Iterator[str]:
    """What proxies wrote, the nearest first."""
    lines: dict[bytes, list[str]] = {b"x-forwarded-for": [], b"forwarded": []}
    for name, value in headers:
        if name in lines:
            lines[name].append(value.decode("latin-1"))
    plain, structured = lines.values()
    if not plain and not structured:
        return
    for hop in ",".join(plain or structured).rsplit(",", HOPS_MAX)[-HOPS_MAX:][::-1]:
        yield hop if plain else _for(hop)


def _for(element: str) -> str:
    found = _FOR.search(element)
    return (found["quoted"] or found["token"] or "") if found else ""


def _bare(text: str) -> str:
    """Without brackets and port."""
    found = _ADDRESS.fullmatch(text.strip())
    return next(filter(None, found.groups()), "") if found else ""


def canonical(text: str) -> str | None:
    """None for what is no address, as PostgreSQL's `inet` sees it: one with a zone (`fe80::1%eth0`) is none. An IPv4
    address in an IPv6 one is that IPv4 address."""
    try:
        address = ip_address(text)
    except ValueError:
        return None
    if isinstance(address, IPv6Address):
        return None if address.scope_id is not None else str(address.ipv4_mapped or address)
    return str(address)


def _is_trusted(address: str, trusted: Sequence[Network]) -> bool:
    return any(ip_address(address) in network for network in trusted)


def heeding(app: ASGIApp, trusted: Sequence[Network]) -> ASGIApp:
    """The application, with the client's address in the place of a trusted proxy's."""
    if not trusted:
        return app

    async def heed(scope: Scope, receive: Receive, send: Send) -> None:
        if peer := scope.get("client"):
            scope["client"] = client_address(peer[0], scope["headers"], trusted), peer[1]
        await app(scope, receive, send)

    return heed
