"""What a source's setting says of its proofs: `scheme:value`, several separated by commas."""

import base64
import binascii
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Final

from stream.authenticity.certificates import ANY, ClientCertificate, Identity, TrustedProxies
from stream.authenticity.guard import Guard
from stream.authenticity.signatures import HubSignature, StandardSignature
from stream.authenticity.tokens import BearerToken
from stream.variables import Secret, WrongSettingError

STANDARD_PREFIX: Final = "whsec_"
STANDARD_BYTES: Final = 24  # the least that Standard Webhooks asks for
IDENTITIES: Final = ("cn", "dns", "uri", "hash")
ALLOWED: Final = (
    "scheme:value, several separated by commas; hub:<secret>, standard:whsec_<base64 of 24 bytes or more>, "
    "bearer:<token>, mtls:cn=<name>, mtls:dns=<name>, mtls:uri=<uri>, mtls:hash=<sha256> or mtls:any"
)


@dataclass(frozen=True, slots=True)
class Credentials:
    """The proofs of one source by scheme; none when it has no credentials."""

    hub: tuple[bytes, ...] = ()
    standard: tuple[bytes, ...] = ()
    bearer: tuple[bytes, ...] = ()
    mtls: tuple[Identity, ...] = ()

    def __bool__(self) -> bool:
        return bool(self.hub or self.standard or self.bearer or self.mtls)

    def guard(self, proxies: TrustedProxies) -> Guard:
        """Return the guard that lets a request pass by any of them."""
        return Guard(
            (
                *([HubSignature(self.hub)] if self.hub else ()),
                *([StandardSignature(self.standard)] if self.standard else ()),
                *([BearerToken(self.bearer)] if self.bearer else ()),
                *([ClientCertificate(self.mtls, proxies)] if self.mtls else ()),
            )
        )


def hub_secrets(secret: Secret) -> Credentials:
    """Read secrets for X-Hub-Signature-256 that stand without a scheme."""
    return Credentials(hub=tuple(entry.encode() for entry in _entries(secret)))


def read_credentials(variable: str, secret: Secret) -> Credentials:
    """Read the credentials of a source.

    Raises:
        WrongSettingError: Names the variable and which of its entries is wrong; the entry itself is not repeated.
    """
    found: dict[str, list[bytes | Identity]] = {scheme: [] for scheme in READERS}
    for number, entry in enumerate(_entries(secret), start=1):
        scheme, _, value = entry.partition(":")
        try:
            found[scheme.strip()].append(READERS[scheme.strip()](value.strip()))
        except (KeyError, ValueError):
            raise WrongSettingError(f"{variable} is wrong in entry {number}: {ALLOWED}") from None
    return Credentials(**{scheme: tuple(values) for scheme, values in found.items()})  # type: ignore[arg-type]


def _entries(secret: Secret) -> list[str]:
    return [entry.strip() for entry in secret.reveal().split(",") if entry.strip()]


def _plain(value: str) -> bytes:
    if not value:
        raise ValueError("empty")
    return value.encode()


def _standard(value: str) -> bytes:
    try:
        secret = base64.b64decode(value.removeprefix(STANDARD_PREFIX), validate=True)
    except binascii.Error as error:
        raise ValueError("not base64") from error
    if len(secret) < STANDARD_BYTES:
        raise ValueError("too short")
    return secret


def _identity(value: str) -> Identity:
    if value == ANY[0]:
        return ANY
    kind, _, name = value.partition("=")
    if kind.lower() not in IDENTITIES or not name:
        raise ValueError("no identity")
    return kind.lower(), name


READERS: Final[Mapping[str, Callable[[str], bytes | Identity]]] = {
    "hub": _plain,
    "standard": _standard,
    "bearer": _plain,
    "mtls": _identity,
}
