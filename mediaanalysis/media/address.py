"""Where a URL may lead. Pure: addresses and names in, a decision out; no name is resolved and nothing is opened here.

Every address of a name must be on the public internet. The tables are IANA's special-purpose registries and the
transition mechanisms that hide an IPv4 address in an IPv6 one: `ipaddress.is_private` and `is_global` miss shared
address space, 6to4, NAT64, Teredo, ISATAP, site-local and multicast. `FETCH_ALLOW` lifts this check, and only this.
"""

from __future__ import annotations

import socket
from collections.abc import Iterable, Sequence
from ipaddress import (
    IPv4Address,
    IPv4Network,
    IPv6Address,
    IPv6Network,
    ip_address,
    ip_network,
)

from msgspec import Struct

from mediaanalysis.errors import ConfigurationError, FetchError

Address = IPv4Address | IPv6Address
Network = IPv4Network | IPv6Network

SPECIAL_IPV4 = tuple(
    IPv4Network(text)
    for text in (
        "0.0.0.0/8",  # this network
        "10.0.0.0/8",  # private
        "100.64.0.0/10",  # shared by carriers; Alibaba's metadata
        "127.0.0.0/8",  # loopback
        "168.63.129.16/32",  # Azure's wire server: public by number, the host by meaning
        "169.254.0.0/16",  # link-local; metadata of most clouds
        "172.16.0.0/12",  # private
        "192.0.0.0/24",  # protocol assignments; Oracle's metadata
        "192.0.2.0/24",  # documentation
        "192.31.196.0/24",  # AS112
        "192.52.193.0/24",  # AMT
        "192.88.99.0/24",  # 6to4 relays
        "192.168.0.0/16",  # private
        "192.175.48.0/24",  # AS112
        "198.18.0.0/15",  # benchmarks
        "198.51.100.0/24",  # documentation
        "203.0.113.0/24",  # documentation
        "224.0.0.0/3",  # multicast, reserved, broadcast
    )
)
PUBLIC_IPV6 = IPv6Network("2000::/3")
SPECIAL_IPV6 = tuple(
    IPv6Network(text)
    for text in (
        "2001::/23",  # protocol assignments: Teredo, benchmarks, ORCHID, AMT
        "2001:db8::/32",  # documentation
        "2002::/16",  # 6to4: any IPv4 address inside
        "2620:4f:8000::/48",  # AS112
        "3ffe::/16",  # 6bone, given back
        "3fff::/20",  # documentation
    )
)
NAT64 = IPv6Network("64:ff9b::/96")
ISATAP = frozenset({0x0000_5EFE, 0x0200_5EFE})
"""First half of an interface id whose second half is an IPv4 address, in any network."""

USUAL_PORTS = frozenset({80, 443})
BAD_PORTS = frozenset(
    {1719, 1720, 1723, 2049, 3659, 4045, 4190, 5060, 5061, 6000, 6379, 6566, 6697, 10080, 11211, *range(6665, 6670)}
)
"""Above 1023: the bad ports of the Fetch standard, and two stores that take a line of HTTP for a command."""


class Target(Struct, frozen=True):
    """What a URL names: scheme in lower case, host without brackets and final dot, the port it says or means."""

    scheme: str
    host: str
    port: int


def is_public(address: Address) -> bool:
    """Whether the address, and the IPv4 address it stands for, if any, is one of the public internet."""
    if isinstance(address, IPv4Address):
        return not any(address in network for network in SPECIAL_IPV4)
    if address.scope_id is not None:
        return False
    if address.ipv4_mapped is not None:
        return is_public(address.ipv4_mapped)
    if address in NAT64:
        return is_public(IPv4Address(int(address) & 0xFFFF_FFFF))
    if int(address) >> 32 & 0xFFFF_FFFF in ISATAP:
        return False
    return address in PUBLIC_IPV6 and not any(address in network for network in SPECIAL_IPV6)


def literal(host: str) -> Address | None:
    """The address a host spells, in any form a resolver would take without asking (127.1, 0x7f000001, 2130706433)."""
    try:
        return ip_address(host)
    except ValueError:
        pass
    try:
        return IPv4Address(socket.inet_aton(host))
    except (OSError, ValueError):
        return None


class Allowance:
    """`FETCH_ALLOW`: hosts, host:port, addresses and networks that may be fetched although not public."""

    def __init__(self, entries: Iterable[str] = ()) -> None:
        """Raises ConfigurationError for an entry that could never match."""
        self._networks: list[Network] = []
        self._hosts: set[tuple[str, int | None]] = set()
        for entry in entries:
            self._add(entry.strip().lower())

    def permits(self, target: Target, address: Address) -> bool:
        if isinstance(address, IPv6Address) and address.ipv4_mapped is not None:
            address = address.ipv4_mapped
        named = {(target.host, None), (target.host, target.port)} & self._hosts
        return bool(named) or any(address in network for network in self._networks)

    def _add(self, entry: str) -> None:
        if (network := _network(entry)) is not None:
            self._networks.append(network)
            return
        host, colon, port = entry.rpartition(":") if entry.count(":") == 1 or "]:" in entry else (entry, "", "")
        host = host.strip("[]").rstrip(".")
        if not host or "/" in host or (colon and not port.isdecimal()):
            raise ConfigurationError(
                f"FETCH_ALLOW: {entry!r}: expected a host, host:port or network, as media.lan, nas:9000 or 10.0.0.0/8"
            )
        self._hosts.add((host, int(port) if colon else None))


def check_target(target: Target, allowance: Allowance) -> None:
    """What can be told of a URL without asking a name server. Raises FetchError `fetch_refused`."""
    if target.scheme not in ("http", "https"):
        raise FetchError("Only http and https URLs are fetched.", code="fetch_refused")
    if not target.host:
        raise FetchError("The URL names no host.", code="fetch_refused")
    if target.port not in USUAL_PORTS and (target.port < 1024 or target.port in BAD_PORTS):
        raise FetchError(f"Port {target.port} is not fetched from.", code="fetch_refused")
    if (address := literal(target.host)) is not None:
        check_addresses(target, [address], allowance)


def check_addresses(target: Target, addresses: Sequence[Address], allowance: Allowance) -> None:
    """One address that is not public spoils them all: a name that mixes them is made to slip through.
    Raises FetchError `fetch_refused`, which does not tell the address: what names mean here is not the client's."""
    if not all(is_public(address) or allowance.permits(target, address) for address in addresses):
        raise FetchError(
            f"{target.host} does not lead to the public internet. An operator can permit it by FETCH_ALLOW.",
            code="fetch_refused",
        )


def _network(entry: str) -> Network | None:
    try:
        return ip_network(entry.strip("[]"), strict=False)
    except ValueError:
        return None
