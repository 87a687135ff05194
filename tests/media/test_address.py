from __future__ import annotations

from ipaddress import IPv4Address, IPv6Address, ip_address

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mediaanalysis.errors import ConfigurationError, FetchError
from mediaanalysis.media.address import NAT64, Allowance, Target, check_addresses, check_target, is_public, literal

# fmt: off
SPECIAL = [
    "0.0.0.0", "0.1.2.3", "10.0.0.1", "100.64.0.1", "100.100.100.200", "127.0.0.1", "127.255.255.255",
    "168.63.129.16", "169.254.169.254", "172.16.0.1", "172.31.255.255", "192.0.0.1", "192.0.0.192", "192.0.2.1",
    "192.88.99.1", "192.168.1.1", "198.18.0.1", "198.19.255.255", "198.51.100.1", "203.0.113.1", "224.0.0.1",
    "239.255.255.255", "240.0.0.1", "255.255.255.255", "::", "::1", "::127.0.0.1", "::8.8.8.8", "::ffff:127.0.0.1",
    "::ffff:169.254.169.254", "::ffff:0:127.0.0.1", "64:ff9b::127.0.0.1", "64:ff9b::169.254.169.254",
    "64:ff9b:1::8.8.8.8", "100::1", "2001::1", "2001:2::1", "2001:db8::1", "2001:20::1", "2002:7f00:1::",
    "2002:808:808::", "2606:4700::5efe:127.0.0.1", "2606:4700::200:5efe:10.0.0.1", "3ffe::1", "3fff::1", "5f00::1",
    "fc00::1", "fd00:ec2::254", "fd20:ce::254", "fe80::1", "fe80::1%eth0", "fec0::1", "ff02::1", "ff0e::1", "4000::1",
]
PUBLIC = [
    "1.1.1.1", "8.8.8.8", "100.63.255.255", "100.128.0.1", "172.15.255.255", "172.32.0.1", "192.0.1.1", "192.167.0.1",
    "198.17.0.1", "198.20.0.1", "223.255.255.255", "2606:4700:4700::1111", "2a00:1450:4001:81b::200e",
    "::ffff:8.8.8.8", "64:ff9b::8.8.8.8",
]
# fmt: on
NOBODY = Allowance()


@pytest.mark.parametrize("text", SPECIAL)
def test_special_addresses(text: str) -> None:
    assert not is_public(ip_address(text))


@pytest.mark.parametrize("text", PUBLIC)
def test_public_addresses(text: str) -> None:
    assert is_public(ip_address(text))


@given(st.ip_addresses())
def test_whatever_the_standard_library_calls_private_is_not_public(address: IPv4Address | IPv6Address) -> None:
    """But for the two disguises whose IPv4 address is judged instead."""
    disguised = isinstance(address, IPv6Address) and (address.ipv4_mapped is not None or address in NAT64)
    if is_public(address) and not disguised:
        assert address.is_global
        assert not any([address.is_private, address.is_multicast, address.is_reserved, address.is_unspecified])


@given(st.ip_addresses(v=4))
def test_an_ipv4_address_in_disguise_is_never_more_public(address: IPv4Address) -> None:
    number = int(address)
    disguises = {
        "compatible": number,
        "mapped": 0xFFFF << 32 | number,
        "translated": 0xFFFF << 48 | number,
        "nat64": 0x64_FF9B << 96 | number,
        "6to4": 0x2002 << 112 | number << 80,
        "teredo": 0x2001_0000 << 96 | number ^ 0xFFFF_FFFF,
        "isatap": 0x2606_4700 << 96 | 0x5EFE << 32 | number,
    }
    public = {name for name, disguised in disguises.items() if is_public(IPv6Address(disguised))}
    assert public <= ({"mapped", "nat64"} if is_public(address) else set())


@pytest.mark.parametrize("spelling", ["127.1", "0x7f000001", "2130706433", "0177.0.0.1", "127.0.0.1", "0"])
def test_every_spelling_of_an_address_is_understood(spelling: str) -> None:
    address = literal(spelling)
    assert address is not None
    assert not is_public(address)


@given(st.text(max_size=40))
def test_any_text_is_a_literal_or_not(text: str) -> None:
    literal(text)


@pytest.mark.parametrize("port", [80, 443, 1024, 8080, 8443, 9000, 65535])
def test_ports_of_web_servers(port: int) -> None:
    check_target(Target("http", "example.org", port), NOBODY)


@pytest.mark.parametrize("port", [1, 22, 25, 81, 445, 587, 1023, 2049, 6000, 6379, 6667, 11211])
def test_ports_of_others(port: int) -> None:
    with pytest.raises(FetchError, match=f"Port {port} is not fetched from"):
        check_target(Target("http", "localhost", port), Allowance(["localhost"]))


@pytest.mark.parametrize("target", [Target("ftp", "example.org", 80), Target("file", "", 80), Target("http", "", 80)])
def test_other_targets(target: Target) -> None:
    with pytest.raises(FetchError) as caught:
        check_target(target, NOBODY)
    assert caught.value.code == "fetch_refused"


def test_one_special_address_spoils_the_answer_and_is_not_told() -> None:
    addresses = [ip_address("8.8.8.8"), ip_address("10.1.2.3")]
    with pytest.raises(FetchError) as caught:
        check_addresses(Target("http", "rebind.example", 80), addresses, NOBODY)
    assert caught.value.code == "fetch_refused"
    assert "10.1.2.3" not in caught.value.detail


@pytest.mark.parametrize(
    ("entry", "host", "port", "address", "permitted"),
    [
        ("media.lan", "media.lan", 80, "10.0.0.1", True),
        ("Media.LAN.", "media.lan", 8080, "10.0.0.1", True),
        ("media.lan", "other.lan", 80, "10.0.0.1", False),
        ("media.lan", "evil.media.lan", 80, "10.0.0.1", False),
        ("media.lan:8080", "media.lan", 8080, "10.0.0.1", True),
        ("media.lan:8080", "media.lan", 80, "10.0.0.1", False),
        ("10.0.0.0/8", "any", 80, "10.255.0.1", True),
        ("10.0.0.0/8", "any", 80, "::ffff:10.0.0.1", True),
        ("10.0.0.0/8", "any", 80, "11.0.0.1", False),
        ("10.0.0.0/8", "any", 80, "127.0.0.1", False),
        ("127.0.0.1", "any", 80, "127.0.0.1", True),
        ("127.0.0.1:9000", "127.0.0.1", 9000, "127.0.0.1", True),
        ("127.0.0.1:9000", "127.0.0.1", 9001, "127.0.0.1", False),
        ("[::1]:9000", "::1", 9000, "::1", True),
        ("[::1]:9000", "::1", 9001, "::1", False),
        ("::1", "any", 80, "::1", True),
        ("fd00::/8", "any", 80, "fd00:ec2::254", True),
    ],
)
def test_allowance(entry: str, host: str, port: int, address: str, permitted: bool) -> None:
    assert Allowance([entry]).permits(Target("http", host, port), ip_address(address)) is permitted


@pytest.mark.parametrize("entry", ["", "10.0.0.0/33", "host/path", "host:port", ":80", "host:", "http://host"])
def test_a_wrong_allowance_names_its_variable(entry: str) -> None:
    with pytest.raises(ConfigurationError, match="FETCH_ALLOW"):
        Allowance([entry])
