"""Who may come without a key: the people and programs of this machine, and no web page that one of them happens to look
at. A browser brings any page's requests here, and with a name that its owner points at 127.0.0.1 (DNS rebinding) it
takes this service for a part of that page; but it says so, in headers that a page cannot change.
"""

from __future__ import annotations

from collections.abc import Iterable
from ipaddress import ip_address

from msgspec import Struct

from mediaanalysis.web.access.origins import ANY

WRONG_HOST = "Without a key this service answers to names of this machine only: localhost, 127.0.0.1 and [::1]."
OTHER_SITE = "Without a key this service takes no requests from web pages of others, but for those CORS_ORIGINS names."


class Visitors(Struct, frozen=True):
    """`hosts`: names besides loopback's by which this service is called; None: any. `origins`: of welcome pages."""

    hosts: frozenset[str] | None
    origins: frozenset[str]

    def refusal(self, headers: Iterable[tuple[bytes, bytes]]) -> str | None:
        """Why the request is refused; None if it is not."""
        host, origin, site, mode = _said(headers)
        if self.hosts is not None and not _is_local(name_of(host), self.hosts):
            return WRONG_HOST
        if ANY in self.origins or origin.lower() in self.origins:
            return None
        if origin:
            return None if _is_own(origin, host) else OTHER_SITE
        return OTHER_SITE if site == "cross-site" and mode != "navigate" else None


def _said(headers: Iterable[tuple[bytes, bytes]]) -> tuple[str, str, str, str]:
    """Host, Origin, Sec-Fetch-Site and Sec-Fetch-Mode; "" for those that did not come."""
    said = {b"host": "", b"origin": "", b"sec-fetch-site": "", b"sec-fetch-mode": ""}
    for name, value in headers:
        if name in said:
            said[name] = value.decode("latin-1").strip()
    host, origin, site, mode = said.values()
    return host, origin, site.lower(), mode.lower()


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
    try:
        return ip_address(name).is_loopback
    except ValueError:
        return False


def _is_own(origin: str, host: str) -> bool:
    """A page of this service itself. A proxy in front may have made http of https."""
    scheme, separator, authority = origin.lower().partition("://")
    return scheme in ("http", "https") and bool(separator and host) and authority == host.lower()
