"""Requests with and without proofs."""

import base64
import hashlib
import hmac

from stream.authenticity import Claim
from stream.authenticity.claim import Proof
from stream.refusals import RefusedRequestError

NOW = 1_700_000_000.0
BODY = b'{"a": 1}'
PEER = "10.1.2.3"


def claim(headers: dict[str, bytes] | None = None, *, body: bytes = BODY, peer: str = PEER, now: float = NOW) -> Claim:
    return Claim({name.lower().encode(): value for name, value in (headers or {}).items()}, body, peer, now)


def fault(proof: Proof, made: Claim) -> str:
    """The code of the refusal, empty where there is none."""
    found = proof.fault(made)
    if found is None:
        return ""
    assert isinstance(found, RefusedRequestError)
    assert (found.status, bool(found.message)) == (401, True)
    return found.code


def hub(secret: bytes, body: bytes = BODY) -> dict[str, bytes]:
    digest = hmac.new(secret, body, hashlib.sha256).digest()
    return {"X-Hub-Signature-256": b"sha256=" + base64.b64encode(digest)}


def standard(*secrets: bytes, body: bytes = BODY, at: float = NOW, id_: bytes = b"msg_1") -> dict[str, bytes]:
    timestamp = str(int(at)).encode()
    signed = [hmac.new(secret, b".".join((id_, timestamp, body)), hashlib.sha256).digest() for secret in secrets]
    signatures = b" ".join(b"v1," + base64.b64encode(digest) for digest in signed)
    return {"webhook-id": id_, "webhook-timestamp": timestamp, "webhook-signature": signatures}
