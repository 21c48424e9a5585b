import base64
import hmac

import pytest
from hypothesis import given
from hypothesis import strategies as st

from stream.authenticity.signatures import MAX_SIGNATURES, HubSignature, StandardSignature
from tests.stream.authenticity.claims import BODY, NOW, claim, fault, hub, standard

OLD, NEW = b"old secret", b"new secret"
HUB = HubSignature([OLD, NEW])
STANDARD = StandardSignature([OLD, NEW])


@pytest.mark.parametrize("secret", [OLD, NEW])
def test_each_of_the_secrets_signs_the_raw_body(secret: bytes) -> None:
    assert fault(HUB, claim(hub(secret))) == ""
    assert fault(STANDARD, claim(standard(secret))) == ""


@pytest.mark.parametrize(
    ("header", "code"),
    [
        (b"", "signature_wrong"),
        (b"sha256=" + b"A" * 44, "signature_wrong"),
        (b"sha256=\xff", "signature_wrong"),
        (hub(b"other secret")["X-Hub-Signature-256"], "signature_wrong"),
        (hub(OLD, BODY + b" ")["X-Hub-Signature-256"], "signature_wrong"),
        (b"sha256=" + hmac.new(OLD, BODY, "sha256").hexdigest().encode(), "signature_wrong"),
        (b"sha1=" + base64.b64encode(hmac.digest(OLD, BODY, "sha1")), "signature_wrong"),
    ],
)
def test_a_wrong_signature_is_refused(header: bytes, code: str) -> None:
    assert fault(HUB, claim({"X-Hub-Signature-256": header})) == code


def test_a_missing_signature_is_told_from_a_wrong_one() -> None:
    assert fault(HUB, claim()) == fault(STANDARD, claim()) == "signature_missing"
    assert fault(STANDARD, claim({"webhook-id": b"1", "webhook-signature": b"v1,"})) == "signature_missing"


def test_the_example_of_the_standard_webhooks_specification_holds() -> None:
    proof = StandardSignature([base64.b64decode("MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw")])
    headers = {
        "webhook-id": b"msg_p5jXN8AQM9LWM0D4loKWxJek",
        "webhook-timestamp": b"1614265330",
        "webhook-signature": b"v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE=",
    }
    assert fault(proof, claim(headers, body=b'{"test": 2432232314}', now=1_614_265_330)) == ""


def test_one_of_several_signatures_is_enough_and_other_versions_count_for_nothing() -> None:
    headers = standard(b"a later secret", OLD)
    assert fault(STANDARD, claim(headers)) == ""
    headers["webhook-signature"] = b"v1a,xyz v2," + standard(OLD)["webhook-signature"].removeprefix(b"v1,")
    assert fault(STANDARD, claim(headers)) == "signature_wrong"


def test_no_more_signatures_are_compared_than_a_rotation_can_need() -> None:
    headers = standard(OLD)
    headers["webhook-signature"] = b"v1,a " * MAX_SIGNATURES + headers["webhook-signature"]
    assert fault(STANDARD, claim(headers)) == "signature_wrong"


@pytest.mark.parametrize(
    ("seconds", "code"), [(300, ""), (-300, ""), (301, "timestamp_wrong"), (-301, "timestamp_wrong")]
)
def test_a_timestamp_may_be_five_minutes_off(seconds: int, code: str) -> None:
    assert fault(STANDARD, claim(standard(OLD, at=NOW + seconds))) == code


@pytest.mark.parametrize("timestamp", [b"", b"soon", b"-1", b"1e9", b"\xb2", b"9" * 100_000])
def test_a_timestamp_that_is_none_is_refused(timestamp: bytes) -> None:
    assert fault(STANDARD, claim(standard(OLD) | {"webhook-timestamp": timestamp})) == "timestamp_wrong"


@pytest.mark.parametrize("changed", ["webhook-id", "webhook-signature"])
def test_what_is_signed_cannot_be_changed(changed: str) -> None:
    headers = standard(OLD)
    assert fault(STANDARD, claim(headers | {changed: headers[changed][:-1] + b"!"})) == "signature_wrong"
    assert fault(STANDARD, claim(headers, body=BODY + b" ")) == "signature_wrong"


@given(header=st.binary(), body=st.binary())
def test_no_junk_is_taken_for_a_signature(header: bytes, body: bytes) -> None:
    assert fault(HUB, claim({"X-Hub-Signature-256": header}, body=body)) == "signature_wrong"
    junk = standard(OLD, body=body) | {"webhook-signature": header}
    assert fault(STANDARD, claim(junk, body=body)) == "signature_wrong"
