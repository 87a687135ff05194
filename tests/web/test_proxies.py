"""Whose address stands in log and audit: the peer's, or what a trusted proxy says, and never what a client says."""

from __future__ import annotations

import pytest

from mediaanalysis.errors import ConfigurationError
from mediaanalysis.web.access.proxies import HOPS_MAX, client_address, networks

TRUSTED = networks(["10.0.0.0/8", "fd00::/8", "::ffff:10.9.9.9", "127.0.0.1"])
PEER = "10.0.0.1"


def seen(*lines: str, peer: str = PEER, name: str = "x-forwarded-for") -> str:
    return client_address(peer, [(name.encode(), line.encode("latin-1")) for line in lines], TRUSTED)


@pytest.mark.parametrize(
    ("lines", "address"),
    [
        ((), PEER),
        (("203.0.113.9",), "203.0.113.9"),
        (("6.6.6.6, 203.0.113.9",), "203.0.113.9"),
        (("6.6.6.6", "203.0.113.9, 10.0.0.2"), "203.0.113.9"),
        (("203.0.113.9:4711",), "203.0.113.9"),
        (("[2001:db8::7]:4711",), "2001:db8::7"),
        (("2001:DB8:0::7",), "2001:db8::7"),
        (("::ffff:203.0.113.9",), "203.0.113.9"),
        (("10.0.0.3, 10.0.0.2",), "10.0.0.3"),
        (("203.0.113.9, unknown",), PEER),
        (("203.0.113.9, 10.0.0.2, ",), PEER),
        (("203.0.113.9, _hidden, 10.0.0.2",), "10.0.0.2"),
        (("\xff\xfe", "203.0.113.9, 1.2.3.4.5, 10.0.0.2"), "10.0.0.2"),
        (("[::1", "fd00::1"), "fd00::1"),
        (("203.0.113.9; drop table",), PEER),
        (("203.0.113.9," + "10.0.0.2," * 5000 + "10.0.0.2",), "10.0.0.2"),
    ],
)
def test_the_nearest_that_is_not_trusted(lines: tuple[str, ...], address: str) -> None:
    assert seen(*lines) == address


@pytest.mark.parametrize(
    ("line", "address"),
    [
        ("for=203.0.113.9;proto=http;by=10.0.0.1", "203.0.113.9"),
        ('for=6.6.6.6, For="[2001:db8::7]:4711"; by=_x', "2001:db8::7"),
        ('proto=https;for="203.0.113.9:80"', "203.0.113.9"),
        ("for=203.0.113.9, for=unknown", PEER),
        ("proto=https", PEER),
        ('for="', PEER),
    ],
)
def test_the_header_of_the_standard(line: str, address: str) -> None:
    assert seen(line, name="forwarded") == address


def test_who_is_not_trusted_says_nothing() -> None:
    assert seen("6.6.6.6", peer="203.0.113.9") == "203.0.113.9"
    assert client_address(PEER, [(b"x-forwarded-for", b"6.6.6.6")], ()) == PEER
    assert seen("6.6.6.6", peer="") == ""


def test_no_more_hops_than_are_looked_at() -> None:
    assert seen(", ".join(["203.0.113.9"] + ["10.0.0.2"] * (HOPS_MAX - 1))) == "203.0.113.9"
    assert seen(", ".join(["203.0.113.9"] + ["10.0.0.2"] * HOPS_MAX)) == "10.0.0.2"


def test_a_wrong_network_is_named() -> None:
    with pytest.raises(ConfigurationError, match=r"TRUSTED_PROXIES.*proxy\.lan"):
        networks(["proxy.lan"])
