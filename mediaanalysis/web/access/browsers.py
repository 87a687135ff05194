"""Who may come without a key: the people and programs of this machine, and no web page that one of them happens to look
at. A browser brings any page's requests here, and with a name that its owner points at 127.0.0.1 (DNS rebinding) it
takes this service for a part of that page; but it says so, in headers that a page cannot change. A proxy on this
machine brings strangers; it says so too.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from ipaddress import ip_address

from msgspec import Struct

from mediaanalysis.web.access.cors import ANY
from mediaanalysis.web.access.proxies import addresses_told, canonical

READS = ("GET", "HEAD")
"""What a link on any page may ask for: it changes nothing, and the page cannot read the answer."""

WRONG_HOST = "Without a key this service answers to names of this machine only: localhost, 127.0.0.1 and [::1]."
OTHER_SITE = "Without a key this service takes no requests from web pages of others, but for those CORS_ORIGINS names."
STRANGER = "Without a key this service answers to its own machine only; the request is another's, through a proxy."


class Visitors(Struct, frozen=True):
    """`hosts`: names besides loopback's by which this service is called; None: any name, from anywhere. `origins`: of
    welcome pages."""

    hosts: frozenset[str] | None
    origins: frozenset[str]

    def refusal(self, headers: Sequence[tuple[bytes, bytes]], method: str, address: str) -> str | None:
        """Why the request is refused; None if it is not. `address`: the client's, as trusted proxies tell it."""
        hosts, origins, sites, modes = _said(headers)
        host = hosts[-1] if hosts else ""
        if self.hosts is not None:
            if not all(_is_loopback(each) for each in (canonical(address), *addresses_told(headers))):
                return STRANGER
            if not _is_local(name_of(host), self.hosts):
                return WRONG_HOST
        if ANY in self.origins:
            return None
        if origins:
            is_welcome = all(each in self.origins or _is_own(each, host) for each in origins)
            return None if is_welcome else OTHER_SITE
        is_followed_link = method in READS and "navigate" in modes
        return OTHER_SITE if "cross-site" in sites and not is_followed_link else None


def _said(headers: Iterable[tuple[bytes, bytes]]) -> tuple[list[str], list[str], list[str], list[str]]:
    """All that came as Host, Origin, Sec-Fetch-Site and Sec-Fetch-Mode, in lower case."""
    said: dict[bytes, list[str]] = {b"host": [], b"origin": [], b"sec-fetch-site": [], b"sec-fetch-mode": []}
    for name, value in headers:
        if name in said:
            said[name].append(value.decode("latin-1").strip().lower())
    host, origin, site, mode = said.values()
    return host, origin, site, mode


def name_of(host: str) -> str:
    """The name or address in a Host header, lower case, without port and brackets; "" where there is none."""
    if host.startswith("["):
        inside, bracket, port = host[1:].partition("]")
        return inside.lower() if bracket and _is_port(port) else ""
    name, colon, port = host.partition(":")
    return name.lower().removesuffix(".") if _is_port(colon + port) else ""


def _is_port(text: str) -> bool:
    return not text or (text[0] == ":" and (text[1:].isdecimal() or not text[1:]))


def _is_local(name: str, hosts: frozenset[str]) -> bool:
    if name == "localhost" or name.endswith(".localhost") or (name and name in hosts):
        return True
    return _is_loopback(canonical(name))


def _is_loopback(address: str | None) -> bool:
    return address is not None and ip_address(address).is_loopback


def _is_own(origin: str, host: str) -> bool:
    """A page of this service itself. A proxy in front may have made http of https."""
    scheme, separator, authority = origin.partition("://")
    return scheme in ("http", "https") and bool(separator and host) and authority == host
