"""Bearer tokens, for senders that can set a header and sign nothing, such as an Architect data action."""

import hashlib
import hmac
from collections.abc import Sequence
from typing import Final

from stream.authenticity.claim import Claim, missing, wrong
from stream.refusals import RefusedRequestError

SCHEME: Final = b"bearer "


class BearerToken:
    """`Authorization: Bearer` and one of the tokens; digests are compared, so that no length shows."""

    challenge = b"Bearer"

    def __init__(self, tokens: Sequence[bytes]) -> None:
        self._digests = tuple(hashlib.sha256(token).digest() for token in tokens)

    def fault(self, claim: Claim) -> RefusedRequestError | None:
        """Compare the token with all of ours in constant time."""
        header = claim.headers.get(b"authorization")
        if header is None or header[: len(SCHEME)].lower() != SCHEME:
            return missing("token", "Authorization: Bearer is required")
        given = hashlib.sha256(header[len(SCHEME) :].strip()).digest()
        matches = [hmac.compare_digest(given, digest) for digest in self._digests]
        if not any(matches):
            return wrong("token", "the bearer token is not known here")
        return None
