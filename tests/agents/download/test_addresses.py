from ipaddress import IPv4Address, IPv6Address, ip_address

import pytest
from hypothesis import given
from hypothesis import strategies as st

from agents.download import AddressPolicy
from agents.download.addresses import METADATA, embedded_ipv4

FORBIDDEN = {
    "0.0.0.0": "unspecified",
    "0.1.2.3": "this network",
    "10.0.0.1": "private",
    "100.64.0.1": "carrier-grade NAT",
    "127.0.0.1": "loopback",
    "127.255.255.254": "loopback",
    "169.254.1.1": "link-local",
    "172.16.0.1": "private",
    "172.31.255.255": "private",
    "192.0.0.8": "protocol assignments",
    "192.0.2.1": "documentation",
    "192.88.99.1": "6to4 relay",
    "192.168.1.1": "private",
    "198.18.0.1": "benchmarking",
    "224.0.0.1": "multicast",
    "239.255.255.255": "multicast",
    "255.255.255.255": "reserved",
    "169.254.169.254": "cloud metadata",
    "100.100.100.200": "cloud metadata",
    "168.63.129.16": "cloud metadata",
    "::": "unspecified",
    "::1": "loopback",
    "::ffff:127.0.0.1": "IPv4-mapped",
    "::ffff:169.254.169.254": "IPv4-mapped",
    "::ffff:8.8.8.8": "IPv4-mapped",
    "::127.0.0.1": "IPv4-compatible",
    "64:ff9b::7f00:1": "NAT64",
    "64:ff9b::8.8.8.8": "NAT64",
    "64:ff9b:1::a00:1": "NAT64",
    "2001:0:4136:e378:8000:63bf:3fff:fdd2": "Teredo",
    "2001:db8::1": "documentation",
    "2002:7f00:1::": "6to4",
    "2002:808:808::": "6to4",
    "2606:4700::5efe:127.0.0.1": "ISATAP",
    "fc00::1": "unique local",
    "fd00:ec2::254": "cloud metadata",
    "fd20:ce::254": "cloud metadata",
    "fe80::1": "link-local",
    "fe80::1%eth0": "link-local",
    "fec0::1": "site-local",
    "ff02::1": "multicast",
    "100::1": "reserved",
    "4000::1": "reserved",
    "2606:4700::1%eth0": "reserved",
    "localhost": "not an IP address",
    "0x7f.1": "not an IP address",
    "": "not an IP address",
}
PUBLIC = ("1.1.1.1", "8.8.8.8", "52.95.110.1", "172.32.0.1", "100.128.0.1", "2606:4700:4700::1111", "2a00:1450:4001::1")


@pytest.mark.parametrize(("address", "kind"), FORBIDDEN.items())
def test_an_address_that_is_not_public_is_refused_by_its_kind(address: str, kind: str) -> None:
    assert AddressPolicy().objection(address) == kind


@pytest.mark.parametrize("address", PUBLIC)
def test_a_public_address_is_allowed(address: str) -> None:
    assert AddressPolicy().objection(address) is None


@given(st.ip_addresses())
def test_what_is_allowed_is_global_for_the_standard_library_too(address: IPv4Address | IPv6Address) -> None:
    if AddressPolicy().objection(str(address)) is None:
        assert address.is_global
        assert not address.is_multicast


@given(st.ip_addresses(v=4), st.sampled_from(["::ffff:{}", "::{}", "64:ff9b::{}", "64:ff9b:1::{}", "2a00::5efe:{}"]))
def test_no_ipv4_address_gets_in_by_being_written_as_ipv6(address: IPv4Address, form: str) -> None:
    assert AddressPolicy().objection(form.format(address)) is not None


@given(st.ip_addresses(v=4))
def test_no_ipv4_address_gets_in_through_6to4(address: IPv4Address) -> None:
    assert AddressPolicy().objection(f"2002:{address.packed.hex()[:4]}:{address.packed.hex()[4:]}::1") is not None


def test_an_allowed_network_is_an_exception_for_exactly_its_addresses() -> None:
    policy = AddressPolicy(["127.0.0.0/8", "10.1.0.0/16"])
    assert policy.objection("127.0.0.1") is None
    assert policy.objection("10.1.2.3") is None
    assert policy.objection("10.2.0.1") == "private"
    assert policy.objection("::1") == "loopback"
    assert policy.objection("::ffff:127.0.0.1") == "IPv4-mapped"


@pytest.mark.parametrize("network", METADATA)
def test_metadata_stays_forbidden_whatever_is_allowed(network: object) -> None:
    address = str(network).partition("/")[0]
    assert AddressPolicy(["0.0.0.0/0", "::/0"]).objection(address) == "cloud metadata"


def test_an_allowed_gateway_to_ipv4_is_as_good_as_the_address_behind_it() -> None:
    policy = AddressPolicy(["64:ff9b::/96"])  # an IPv6-only cluster behind DNS64
    assert policy.objection("64:ff9b::8.8.8.8") is None
    assert policy.objection("64:ff9b::10.0.0.1") == "private"
    assert policy.objection("64:ff9b::169.254.169.254") == "cloud metadata"


def test_a_wrong_network_is_an_error_at_start() -> None:
    with pytest.raises(ValueError, match="does not appear"):
        AddressPolicy(["localhost"])


@pytest.mark.parametrize(
    ("address", "inner"),
    [
        ("::ffff:1.2.3.4", "1.2.3.4"),
        ("64:ff9b::1.2.3.4", "1.2.3.4"),
        ("2002:102:304::1", "1.2.3.4"),
        ("2001:0:4136:e378:8000:63bf:3fff:fdd2", "192.0.2.45"),
        ("2a00::5efe:1.2.3.4", "1.2.3.4"),
        ("2a00::1", None),
        ("1.2.3.4", None),
    ],
)
def test_the_ipv4_address_inside_an_ipv6_address_is_found(address: str, inner: str | None) -> None:
    found = embedded_ipv4(ip_address(address))
    assert (str(found) if found else None) == inner
