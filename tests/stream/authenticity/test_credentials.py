import base64

import pytest

from stream.authenticity import Credentials, read_credentials
from stream.authenticity.certificates import ANY, TrustedProxies
from stream.authenticity.credentials import hub_secrets
from stream.refusals import RefusedRequestError
from stream.variables import Secret, WrongSettingError
from tests.stream.authenticity.claims import claim, hub, standard

KEY = bytes(range(24))
WHSEC = "whsec_" + base64.b64encode(KEY).decode()
NO_PROXIES = TrustedProxies((), "X-Forwarded-Client-Cert")


def read(text: str) -> Credentials:
    return read_credentials("WEBHOOK_X_CREDENTIALS", Secret(text))


def test_schemes_may_be_mixed_and_repeated() -> None:
    text = f" hub:one , hub:two:with:colons,standard:{WHSEC}, bearer:token ,mtls:cn=a=b,mtls:any,"
    assert read(text) == Credentials(
        hub=(b"one", b"two:with:colons"), standard=(KEY,), bearer=(b"token",), mtls=(("cn", "a=b"), ANY)
    )
    assert not read("")
    assert not read(" , ")


@pytest.mark.parametrize(
    "entry",
    [
        "hush",
        "hub:",
        "hub",
        "bearer: ",
        "basic:hush",
        "standard:hush!",
        "standard:aHVzaA==",
        "mtls:hush",
        "mtls:cn=",
        "HUB:hush",
    ],
)
def test_a_wrong_entry_is_named_by_its_place_and_not_repeated(entry: str) -> None:
    with pytest.raises(WrongSettingError) as caught:
        read(f"bearer:hushed,{entry}")
    assert str(caught.value).startswith("WEBHOOK_X_CREDENTIALS is wrong in entry 2: scheme:value")
    assert "hush" not in str(caught.value)
    assert caught.value.__cause__ is None
    assert caught.value.__suppress_context__


def test_a_plain_secret_is_one_or_several_for_the_hub_signature() -> None:
    assert hub_secrets(Secret("one, two")) == Credentials(hub=(b"one", b"two"))
    assert not hub_secrets(Secret(""))


def test_any_of_the_proofs_lets_a_request_pass() -> None:
    guard = read(f"hub:one,bearer:token,standard:{WHSEC}").guard(NO_PROXIES)
    for headers in (hub(b"one"), standard(KEY), {"Authorization": b"Bearer token"}):
        guard.check(claim(headers))


@pytest.mark.parametrize(
    ("headers", "code"),
    [
        ({}, "signature_missing"),
        ({"Authorization": b"Bearer other"}, "token_wrong"),
        (hub(b"two"), "signature_wrong"),
        ({"X-Forwarded-Client-Cert": b"Hash=a"}, "proxy_wrong"),
    ],
)
def test_the_fault_of_the_proof_that_was_tried_is_told_with_every_way_that_is_open(
    headers: dict[str, bytes], code: str
) -> None:
    guard = read("hub:one,bearer:token,mtls:any").guard(NO_PROXIES)
    with pytest.raises(RefusedRequestError) as caught:
        guard.check(claim(headers))
    assert (caught.value.status, caught.value.code) == (401, code)
    assert caught.value.headers == (
        (b"www-authenticate", b'Signature headers="x-hub-signature-256", Bearer, ClientCertificate'),
    )
