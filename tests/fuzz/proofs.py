"""What a request proves itself with: rightly, wrongly, or not at all."""

import base64
import hmac
from random import Random
from typing import Final

from stream.arrival import EventSource

SECRET: Final = "fuzzed"
STANDARD: Final = base64.b64encode(b"k" * 32).decode()
SETTINGS: Final = {
    "WEBHOOK_OPEN_MESSAGING_CREDENTIALS": f"hub:{SECRET},hub:older",
    "WEBHOOK_NOTIFICATIONS_CREDENTIALS": f"standard:whsec_{STANDARD}",
    "WEBHOOK_MESSAGES_CREDENTIALS": f"bearer:{SECRET},mtls:cn=proxied",
    "WEBHOOK_TRUSTED_PROXIES": "192.0.2.0/24",
}
Headers = list[tuple[bytes, bytes]]


def proof(source: EventSource, body: bytes, now: float) -> Headers:
    """Return the headers that prove where a body comes from."""
    if source is EventSource.OPEN_MESSAGING:
        return [(b"X-Hub-Signature-256", b"sha256=" + _signature(SECRET.encode(), body))]
    if source is EventSource.NOTIFICATIONS:
        stamp = b"%d" % now
        signature = _signature(b"k" * 32, b"id.%b.%b" % (stamp, body))
        return [(b"webhook-id", b"id"), (b"webhook-timestamp", stamp), (b"webhook-signature", b"v1," + signature)]
    return [(b"Authorization", b"Bearer " + SECRET.encode())] if source is EventSource.MESSAGES else []


def wrong(source: EventSource, body: bytes, now: float, random: Random) -> Headers:
    """Return headers that prove nothing for a source that asks for proof."""
    made = [
        [],
        proof(source, body + b" ", now - 10_000) if source is not EventSource.MESSAGES else [],
        [
            (
                b"X-Hub-Signature-256",
                random.choice((b"", b"sha256=", b"sha1=abc", b"sha256=\xff\xfe", b"sha256=" + b"A" * 9000)),
            )
        ],
        [
            (b"webhook-id", b""),
            (b"webhook-timestamp", random.choice((b"", b"-1", b"9" * 4000, b"nan", b"\xb2"))),
            (b"webhook-signature", b"v1,"),
        ],
        [(b"webhook-id", b"id"), (b"webhook-timestamp", b"%d" % now), (b"webhook-signature", b"v1, " * 4000)],
        [
            (
                b"Authorization",
                random.choice((b"Bearer", b"Bearer ", b"bearer x", b"Basic " + b"=" * 5000, b"Bearer \xff")),
            )
        ],
        [
            (
                b"X-Forwarded-Client-Cert",
                random.choice((b'Subject="CN=proxied"', b"CN=proxied", b'"' * 5000, b",;=\\" * 2000)),
            )
        ],
    ]
    return random.choice(made)


def _signature(secret: bytes, text: bytes) -> bytes:
    return base64.b64encode(hmac.digest(secret, text, "sha256"))
