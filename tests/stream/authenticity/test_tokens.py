import pytest

from stream.authenticity.tokens import BearerToken
from tests.stream.authenticity.claims import claim, fault

TOKENS = BearerToken([b"old-token", b"new-token"])


@pytest.mark.parametrize("header", [b"Bearer old-token", b"bearer new-token", b"BEARER  old-token "])
def test_each_of_the_tokens_is_taken_in_any_spelling_of_the_scheme(header: bytes) -> None:
    assert fault(TOKENS, claim({"Authorization": header})) == ""


@pytest.mark.parametrize(
    ("header", "code"),
    [
        (b"Basic b2xkLXRva2Vu", "token_missing"),
        (b"", "token_missing"),
        (b"Bearer", "token_missing"),
        (b"Bearer ", "token_wrong"),
        (b"Bearer old-toke", "token_wrong"),
        (b"Bearer old-token,new-token", "token_wrong"),
        (b"Bearer \xff", "token_wrong"),
    ],
)
def test_any_other_header_is_refused(header: bytes, code: str) -> None:
    assert fault(TOKENS, claim({"Authorization": header})) == code


def test_no_header_is_a_missing_token() -> None:
    assert fault(TOKENS, claim()) == "token_missing"
