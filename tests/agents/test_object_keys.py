import re

from hypothesis import given
from hypothesis import strategies as st

from agents.object_keys import conversation_prefix, object_key
from stream.messages import Attachment
from stream.settings import Secret

SECRET = Secret("0123456789abcdef")
HASH = "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"
ids = st.text(min_size=1, max_size=40)


def attachment(conversation_id: str = "conversation", event_id: str = "event") -> Attachment:
    return Attachment(conversation_id=conversation_id, event_id=event_id, attachment_url="https://example.com/a")


def test_a_key_never_changes_from_one_version_of_the_code_to_the_next() -> None:
    assert object_key(SECRET, attachment(), HASH, "1") == (
        "187a5888dc85f8f6fc272e06cf79a525/044ea4c5f37fa28e958631460d30620357328aa4.webp"
    )


@given(ids, ids, ids, ids)
def test_whatever_the_sender_writes_a_key_is_two_hex_names(
    conversation_id: str, event_id: str, content: str, version: str
) -> None:
    key = object_key(SECRET, attachment(conversation_id, event_id), content, version)
    assert re.fullmatch(r"[0-9a-f]{32}/[0-9a-f]{40}\.webp", key)
    assert key.startswith(conversation_prefix(SECRET, conversation_id))


@given(st.lists(ids, min_size=4, max_size=4), st.lists(ids, min_size=4, max_size=4))
def test_two_attachments_share_a_key_only_when_every_field_is_the_same(one: list[str], other: list[str]) -> None:
    keys = [object_key(SECRET, attachment(c, e), content.lower(), v) for c, e, content, v in (one, other)]
    same = [*one[:2], one[2].lower(), one[3]] == [*other[:2], other[2].lower(), other[3]]
    assert (keys[0] == keys[1]) is same


@given(st.text("0123456789abcdef", min_size=3, max_size=20))
def test_text_that_moves_across_the_border_of_two_fields_makes_another_key(text: str) -> None:
    cuts = range(1, len(text))
    keys = {object_key(SECRET, attachment("conversation", text[:cut]), text[cut:], "1") for cut in cuts}
    assert len(keys) == len(cuts)


def test_another_secret_gives_other_keys_and_other_prefixes() -> None:
    other = Secret("fedcba9876543210")
    assert object_key(SECRET, attachment(), HASH, "1") != object_key(other, attachment(), HASH, "1")
    assert conversation_prefix(SECRET, "conversation") != conversation_prefix(other, "conversation")


def test_the_same_hash_in_capitals_is_the_same_content() -> None:
    assert object_key(SECRET, attachment(), HASH.upper(), "1") == object_key(SECRET, attachment(), HASH, "1")


def test_an_attachment_without_an_event_id_has_the_key_of_its_computed_one() -> None:
    anonymous = attachment(event_id="")
    assert object_key(SECRET, anonymous, HASH, "1") == object_key(SECRET, anonymous, HASH, "1")
    assert object_key(SECRET, anonymous, HASH, "1") != object_key(SECRET, attachment(), HASH, "1")
