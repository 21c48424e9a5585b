"""What a request brings along to prove where it comes from."""

from collections.abc import Mapping
from typing import Final, Protocol

from msgspec import Struct

from stream.refusals import RefusedRequestError

UNAUTHORIZED: Final = 401


class Claim(Struct, frozen=True, gc=False):
    """A request as it is judged; header names are in lower case, `peer` is who opened the connection."""

    headers: Mapping[bytes, bytes]
    body: bytes
    peer: str
    now: float  # Unix seconds


class Proof(Protocol):
    """One way to prove where a request comes from."""

    @property
    def challenge(self) -> bytes:
        """What WWW-Authenticate says of it."""

    def fault(self, claim: Claim) -> RefusedRequestError | None:
        """Return why the claim does not hold, or None when it does."""


def missing(what: str, message: str) -> RefusedRequestError:
    """Return the refusal of a request that does not even try this proof."""
    return RefusedRequestError(UNAUTHORIZED, f"{what}_missing", message)


def wrong(what: str, message: str) -> RefusedRequestError:
    """Return the refusal of a request that tries this proof and fails."""
    return RefusedRequestError(UNAUTHORIZED, f"{what}_wrong", message)
