"""Which IP addresses a download may connect to: pure, no resolver and no socket.

Written as networks instead of `ipaddress.is_global`, whose answers differ between patch versions of Python 3.11.
Sources: IANA IPv4 and IPv6 Special-Purpose Address Registries, and the metadata addresses of the cloud vendors.
"""

from collections.abc import Iterable, Sequence
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network, ip_address, ip_network
from typing import Final

Address = IPv4Address | IPv6Address
Network = IPv4Network | IPv6Network

# Never reachable, not even through an allowed network: one request there can hand out the pod's credentials.
METADATA: Final = tuple(
    ip_network(text)
    for text in (
        "169.254.169.254/32",  # AWS, Azure, Google, Oracle, DigitalOcean, Hetzner, OpenStack
        "169.254.170.2/32",  # AWS ECS task credentials
        "169.254.170.23/32",  # AWS EKS pod identity
        "100.100.100.200/32",  # Alibaba
        "168.63.129.16/32",  # Azure's wire server, in public space
        "192.0.0.192/32",  # Oracle, older images
        "fd00:ec2::254/128",  # AWS
        "fd00:ec2::23/128",  # AWS EKS pod identity
        "fd20:ce::254/128",  # Google
    )
)

_KINDS: Final[tuple[tuple[Network, str], ...]] = tuple(
    (ip_network(text), kind)
    for text, kind in (
        ("0.0.0.0/32", "unspecified"),
        ("0.0.0.0/8", "this network"),
        ("10.0.0.0/8", "private"),
        ("100.64.0.0/10", "carrier-grade NAT"),
        ("127.0.0.0/8", "loopback"),
        ("169.254.0.0/16", "link-local"),
        ("172.16.0.0/12", "private"),
        ("192.0.0.0/24", "protocol assignments"),
        ("192.0.2.0/24", "documentation"),
        ("192.88.99.0/24", "6to4 relay"),
        ("192.168.0.0/16", "private"),
        ("198.18.0.0/15", "benchmarking"),
        ("198.51.100.0/24", "documentation"),
        ("203.0.113.0/24", "documentation"),
        ("224.0.0.0/4", "multicast"),
        ("240.0.0.0/4", "reserved"),
        ("::/128", "unspecified"),
        ("::1/128", "loopback"),
        ("::ffff:0:0/96", "IPv4-mapped"),
        ("::/96", "IPv4-compatible"),
        ("64:ff9b::/96", "NAT64"),
        ("64:ff9b:1::/48", "NAT64"),
        ("2001::/32", "Teredo"),
        ("2001::/23", "protocol assignments"),
        ("2001:db8::/32", "documentation"),
        ("2002::/16", "6to4"),
        ("3ffe::/16", "6bone"),
        ("3fff::/20", "documentation"),
        ("fc00::/7", "unique local"),
        ("fe80::/10", "link-local"),
        ("fec0::/10", "site-local"),
        ("ff00::/8", "multicast"),
    )
)
_GLOBAL_UNICAST: Final = IPv6Network("2000::/3")  # all that IANA has given out so far; the rest is reserved
_ISATAP: Final = (0x00005EFE, 0x02005EFE)  # RFC 5214: upper half of the interface identifier


class AddressPolicy:
    """Public addresses, and those in `allowed_networks` (the exception that an operator makes on purpose)."""

    def __init__(self, allowed_networks: Iterable[str] = ()) -> None:
        """Read the exceptions.

        Raises:
            ValueError: One of them is no network in CIDR form.
        """
        self._allowed: Sequence[Network] = tuple(ip_network(text) for text in allowed_networks)

    def objection(self, text: str) -> str | None:
        """Return why this address must not be connected to ("loopback"), or None when it may be."""
        try:
            address = ip_address(text)
        except ValueError:
            return "not an IP address"
        return self._objection(address)

    def _objection(self, address: Address) -> str | None:
        if _within(address, METADATA):
            return "cloud metadata"
        embedded = embedded_ipv4(address)
        if _within(address, self._allowed):  # a gateway to IPv4 is as good as the address behind it
            return self._objection(embedded) if embedded is not None else None
        return _kind(address)


def embedded_ipv4(address: Address) -> IPv4Address | None:
    """Return the IPv4 address that packets to this IPv6 address end up at, where its form tells."""
    if isinstance(address, IPv4Address):
        return None
    bits = int(address)
    if (bits >> 32) & 0xFFFFFFFF in _ISATAP or _within(address, _SUFFIX_FORMS):
        return IPv4Address(bits & 0xFFFFFFFF)
    if address.teredo is not None:
        return address.teredo[1]
    return address.sixtofour


_SUFFIX_FORMS: Final = tuple(ip_network(text) for text in ("::ffff:0:0/96", "::/96", "64:ff9b::/96", "64:ff9b:1::/48"))


def _kind(address: Address) -> str | None:
    for network, kind in _KINDS:
        if address.version == network.version and address in network:
            return kind
    if isinstance(address, IPv4Address):
        return None
    if address not in _GLOBAL_UNICAST or address.scope_id is not None:
        return "reserved"
    return "ISATAP" if (int(address) >> 32) & 0xFFFFFFFF in _ISATAP else None


def _within(address: Address, networks: Iterable[Network]) -> bool:
    return any(address.version == network.version and address in network for network in networks)
