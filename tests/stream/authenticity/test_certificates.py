from ipaddress import ip_network

import pytest
from hypothesis import given
from hypothesis import strategies as st

from stream.authenticity.certificates import (
    ANY,
    CertificateHeader,
    ClientCertificate,
    Identity,
    TrustedProxies,
    common_names,
    forwarded_identities,
)
from tests.stream.authenticity.claims import claim, fault

NETWORKS = (ip_network("10.0.0.0/8"), ip_network("2001:db8::/32"))
HASH = "468ed33be74eee6556d90c0149c1309e9ba61d6425303443c0748a02dd8de688"
XFCC = (
    f'By=spiffe://mesh/bridge;Hash={HASH};Subject="CN=genesys,O=Acme\\, Inc.";URI=spiffe://mesh/genesys;DNS=a.example'
)


def certificate(*identities: Identity, header: CertificateHeader = "X-Forwarded-Client-Cert") -> ClientCertificate:
    return ClientCertificate(identities, TrustedProxies(NETWORKS, header))


def of_envoy(header: str, *identities: Identity, peer: str = "10.1.2.3") -> str:
    made = claim({"X-Forwarded-Client-Cert": header.encode("latin-1")}, peer=peer)
    return fault(certificate(*identities), made)


@pytest.mark.parametrize(
    "identity",
    [
        ANY,
        ("hash", HASH),
        ("uri", "spiffe://mesh/genesys"),
        ("dns", "a.example"),
        ("cn", "genesys"),
    ],
)
def test_an_identity_that_the_proxy_tells_is_taken(identity: Identity) -> None:
    assert of_envoy(XFCC, ("cn", "somebody-else"), identity) == ""


@pytest.mark.parametrize(
    "identity",
    [("cn", "Genesys"), ("uri", "spiffe://mesh/bridge"), ("cn", "spiffe://mesh/genesys"), ("dns", "b.example")],
)
def test_another_identity_is_refused(identity: Identity) -> None:
    assert of_envoy(XFCC, identity) == "certificate_wrong"


@pytest.mark.parametrize("peer", ["192.0.2.1", "", "not an address", "2001:db9::1"])
def test_the_header_from_elsewhere_than_a_trusted_proxy_is_refused(peer: str) -> None:
    assert of_envoy(XFCC, ANY, peer=peer) == "proxy_wrong"


@pytest.mark.parametrize("peer", ["10.255.0.1", "::ffff:10.0.0.1", "2001:db8::5"])
def test_a_trusted_proxy_is_known_in_every_spelling_of_its_address(peer: str) -> None:
    assert of_envoy(XFCC, ANY, peer=peer) == ""


def test_without_the_header_the_certificate_is_missing() -> None:
    assert fault(certificate(ANY), claim()) == "certificate_missing"


def test_of_several_elements_the_one_next_to_us_counts() -> None:
    """A client may have written the first ones."""
    assert of_envoy(f"{XFCC},Hash=abc;URI=spiffe://mesh/other", ("uri", "spiffe://mesh/genesys")) == "certificate_wrong"
    assert of_envoy(f"Hash=abc,{XFCC}", ("uri", "spiffe://mesh/genesys")) == ""


def test_a_comma_within_quotes_begins_no_element() -> None:
    assert forwarded_identities('Subject="O=x, URI=spiffe://mesh/a";Hash=abc') == {ANY, ("hash", "abc")}


@pytest.mark.parametrize(
    "junk", ["", "junk", "Hash", 'Subject="CN=genesys', f"{XFCC},", f"{XFCC};", f'{XFCC}"', "=", 'Hash="a"b', "\xff"]
)
def test_a_header_that_is_junk_tells_no_identity_at_all(junk: str) -> None:
    assert forwarded_identities(junk) == frozenset()


@pytest.mark.parametrize(
    ("name", "names"),
    [
        ("CN=genesys,O=Acme", ["genesys"]),
        ("O=Acme, CN=genesys", ["genesys"]),
        ("cn=a+CN=b", ["a", "b"]),
        ("O=evil\\,CN=genesys", []),
        ("O=evil\\\\,CN=genesys", ["genesys"]),
        ("OU=xCN=genesys", []),
        ('O="evil,CN=genesys,x"', []),
        ("CN=", []),
        ("/C=DE/CN=genesys", []),
        ("", []),
    ],
)
def test_only_a_part_of_its_own_is_a_common_name(name: str, names: list[str]) -> None:
    assert common_names(name) == [("cn", found) for found in names]


@pytest.mark.parametrize(
    ("header", "verify", "subject"),
    [
        ("X-SSL-Client-Verify", "X-SSL-Client-Verify", "X-SSL-Client-S-DN"),
        ("ssl-client-verify", "ssl-client-verify", "ssl-client-subject-dn"),
    ],
)
def test_nginx_tells_of_the_subject_of_a_verified_certificate(
    header: CertificateHeader, verify: str, subject: str
) -> None:
    proof = certificate(("cn", "genesys"), header=header)
    told = {verify: b"SUCCESS", subject: b"CN=genesys,O=Acme"}
    assert fault(proof, claim(told)) == ""
    assert fault(certificate(ANY, header=header), claim({verify: b"SUCCESS"})) == ""
    assert fault(proof, claim(told | {subject: b"CN=other"})) == "certificate_wrong"
    for not_verified in (b"NONE", b"FAILED:self signed certificate", b"", b"success"):
        assert fault(proof, claim(told | {verify: not_verified})) == "certificate_wrong"
    assert fault(proof, claim(told, peer="192.0.2.1")) == "proxy_wrong"


def test_a_header_that_the_proxy_does_not_strip_proves_nothing() -> None:
    nginx = {"X-SSL-Client-Verify": b"SUCCESS", "X-SSL-Client-S-DN": b"CN=genesys"}
    assert fault(certificate(ANY, ("cn", "genesys")), claim(nginx)) == "certificate_missing"


@pytest.mark.parametrize("costly", [f'a={" " * 60_000}"', 'a="' + "\\" * 60_001, "a" * 60_000, "a=;" * 20_000])
def test_a_header_that_costs_a_pattern_dearly_is_read_at_once(costly: str) -> None:
    assert forwarded_identities(costly) == frozenset()


@given(header=st.text(st.characters(max_codepoint=255)))
def test_any_header_is_read_or_is_junk(header: str) -> None:
    found = forwarded_identities(header)
    assert not found or ANY in found
