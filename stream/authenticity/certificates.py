"""Client certificates that a proxy before us has verified, and tells of in a header.

Only a connection from a trusted proxy's address may carry that header: from anybody else it is refused. Which header
the proxy sets must be told by a setting, for a proxy strips its own header from what clients send, and no other.
"""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network, ip_address, ip_network
from typing import Final, Literal

from stream.authenticity.claim import Claim, missing, wrong
from stream.refusals import RefusedRequestError

Network = IPv4Network | IPv6Network
CertificateHeader = Literal["X-Forwarded-Client-Cert", "X-SSL-Client-Verify", "ssl-client-verify"]
Identity = tuple[str, str]

ANY: Final[Identity] = ("any", "")
VERIFIED: Final = b"SUCCESS"
# nginx has no header of its own; these are the customary one and that of ingress-nginx, with $ssl_client_verify, beside
# which the subject's distinguished name stands ($ssl_client_s_dn, RFC 2253).
SUBJECT_HEADERS: Final[Mapping[str, bytes]] = {
    "X-SSL-Client-Verify": b"x-ssl-client-s-dn",
    "ssl-client-verify": b"ssl-client-subject-dn",
}

# Envoy: elements separated by commas, one a proxy; pairs by semicolons; values with , ; = in double quotes.
_PAIR: Final = re.compile(r'\s*([A-Za-z]+)=("(?:[^"\\]|\\.)*"|[^,;"]*)([,;]|$)')
_ESCAPED: Final = re.compile(r"\\.")
_NAME_PART: Final = re.compile(r"(?:[^,+\\]|\\.)+")


@dataclass(frozen=True, slots=True)
class TrustedProxies:
    """From where a proxy connects, and in which header it tells of the client's certificate."""

    networks: tuple[Network, ...]
    header: CertificateHeader

    def include(self, peer: str) -> bool:
        """Tell whether the connection comes from a trusted proxy."""
        try:
            address: IPv4Address | IPv6Address = ip_address(peer)
        except ValueError:
            return False
        if isinstance(address, IPv6Address) and address.ipv4_mapped is not None:
            address = address.ipv4_mapped
        return any(address in network for network in self.networks)


def network_of(text: str) -> Network:
    """Read an address or a network, raising ValueError when it is neither."""
    return ip_network(text.strip())


class ClientCertificate:
    """A certificate with one of the identities, such as `("cn", "genesys")`, or any that the proxy has verified."""

    challenge = b"ClientCertificate"

    def __init__(self, identities: Sequence[Identity], proxies: TrustedProxies) -> None:
        self._identities = frozenset(identities)
        self._proxies = proxies
        self._header = proxies.header.lower().encode()

    def fault(self, claim: Claim) -> RefusedRequestError | None:
        """Look for one of the identities among those that the trusted proxy tells."""
        if self._header not in claim.headers:
            return missing("certificate", "a client certificate is required, verified by a trusted proxy")
        if not self._proxies.include(claim.peer):
            return wrong("proxy", f"{self._proxies.header} is taken from trusted proxies alone")
        if not self._identities & self._told(claim.headers):
            return wrong("certificate", "the client certificate is not one that may send here")
        return None

    def _told(self, headers: Mapping[bytes, bytes]) -> frozenset[Identity]:
        header = headers[self._header]
        if self._proxies.header not in SUBJECT_HEADERS:
            return forwarded_identities(header.decode("latin-1"))
        if header.strip() != VERIFIED:
            return frozenset()
        name = headers.get(SUBJECT_HEADERS[self._proxies.header], b"").decode("latin-1")
        return frozenset({ANY, *common_names(name)})


def forwarded_identities(header: str) -> frozenset[Identity]:
    """Read the last element of X-Forwarded-Client-Cert, which the proxy next to us wrote; none where it is junk."""
    element: list[Identity] = []
    position = 0
    while True:
        pair = _PAIR.match(header, position)
        if pair is None:
            return frozenset()
        element.append((pair[1].lower(), _unquoted(pair[2])))
        position = pair.end()
        if pair[3] == "":
            break
        if pair[3] == ",":
            element = []
    told = {(kind, value) for kind, value in element if kind in {"hash", "uri", "dns"} and value}
    names = (name for kind, value in element if kind == "subject" for name in common_names(value))
    return frozenset({ANY, *told, *names})


def common_names(distinguished_name: str) -> list[Identity]:
    """Return the CNs of a distinguished name as RFC 2253 writes it, where an escaped comma separates nothing.

    A name with quotes is written in some other way, in which a comma may mean something else: it has none.
    """
    if '"' in _ESCAPED.sub("", distinguished_name):
        return []
    parts = (part.strip() for part in _NAME_PART.findall(distinguished_name))
    return [("cn", part[3:]) for part in parts if part[:3].lower() == "cn=" and len(part) > len("cn=")]


def _unquoted(value: str) -> str:
    # What is escaped in it belongs to the distinguished name, so it stays: Envoy adds quotes and nothing else.
    return value[1:-1] if value.startswith('"') else value
