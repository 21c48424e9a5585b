"""HMACs over the raw body: X-Hub-Signature-256 as Open Messaging signs, and Standard Webhooks.

Each takes several secrets, so that an old one goes on to hold while a new one is handed out. Every secret is tried
whatever the first ones say, and digests are compared in constant time.
"""

import base64
import binascii
import hmac
from collections.abc import Sequence
from typing import Final

from stream.authenticity.claim import Claim, missing, wrong
from stream.refusals import RefusedRequestError

SCHEME: Final = b"sha256="
VERSION: Final = b"v1,"
TOLERANCE_SECONDS: Final = 300.0  # of the Standard Webhooks specification's own libraries
MAX_TIMESTAMP_DIGITS: Final = 12
MAX_SIGNATURES: Final = 32  # of a request; a rotation needs two


class HubSignature:
    """X-Hub-Signature-256: `sha256=` and the base64 (not hexadecimal) of HMAC-SHA256 over the raw body."""

    challenge = b'Signature headers="x-hub-signature-256"'

    def __init__(self, secrets: Sequence[bytes]) -> None:
        self._secrets = tuple(secrets)

    def fault(self, claim: Claim) -> RefusedRequestError | None:
        """Compare the signature with those of all secrets."""
        header = claim.headers.get(b"x-hub-signature-256")
        if header is None:
            return missing("signature", "X-Hub-Signature-256 is required")
        given = _decoded(header.strip().removeprefix(SCHEME))
        matches = [hmac.compare_digest(given, hmac.digest(key, claim.body, "sha256")) for key in self._secrets]
        if not any(matches):
            return wrong("signature", "X-Hub-Signature-256 does not match the body")
        return None


class StandardSignature:
    """Standard Webhooks: HMAC-SHA256 over `id.timestamp.body`, in webhook-signature as `v1,` and base64.

    Several signatures may stand there, separated by spaces; the timestamp may be five minutes off.
    (github.com/standard-webhooks/standard-webhooks, spec/standard-webhooks.md)
    """

    challenge = b'Signature headers="webhook-id webhook-timestamp webhook-signature"'

    def __init__(self, secrets: Sequence[bytes]) -> None:
        self._secrets = tuple(secrets)

    def fault(self, claim: Claim) -> RefusedRequestError | None:
        """Check the time, then compare all signatures of version 1 with those of all secrets."""
        webhook_id = claim.headers.get(b"webhook-id")
        timestamp = claim.headers.get(b"webhook-timestamp")
        header = claim.headers.get(b"webhook-signature")
        if webhook_id is None or timestamp is None or header is None:
            return missing("signature", "webhook-id, webhook-timestamp and webhook-signature are required")
        if not _is_near(timestamp, claim.now):
            return wrong("timestamp", f"webhook-timestamp is not within {TOLERANCE_SECONDS:g} seconds of our clock")
        parts = header.split(maxsplit=MAX_SIGNATURES)[:MAX_SIGNATURES]
        given = [part.removeprefix(VERSION) for part in parts if part.startswith(VERSION)]
        signed = b"%b.%b.%b" % (webhook_id, timestamp, claim.body)
        matches = [_is_among(given, hmac.digest(secret, signed, "sha256")) for secret in self._secrets]
        if not any(matches):
            return wrong("signature", "no v1 signature of webhook-signature matches id, timestamp and body")
        return None


def _is_near(timestamp: bytes, now: float) -> bool:
    if not timestamp.isdigit() or len(timestamp) > MAX_TIMESTAMP_DIGITS:
        return False
    return abs(now - int(timestamp)) <= TOLERANCE_SECONDS


def _is_among(given: Sequence[bytes], digest: bytes) -> bool:
    expected = base64.b64encode(digest)
    matches = [hmac.compare_digest(signature, expected) for signature in given]
    return any(matches)


def _decoded(signature: bytes) -> bytes:
    try:
        return base64.b64decode(signature, validate=True)
    except (binascii.Error, ValueError):
        return b""
