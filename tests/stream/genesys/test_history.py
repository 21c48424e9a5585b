from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from stream.genesys.history import Media, holds, is_outbound, media_of, message_ids, pages, text_of

LEAF = st.none() | st.booleans() | st.integers() | st.text(max_size=5)
ANY_JSON = st.recursive(
    LEAF,
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(
            st.sampled_from(["participants", "messages", "messageId", "id", "purpose", "attachment", "content", "url"]),
            inner,
            max_size=4,
        )
    ),
    max_leaves=12,
)


def details(message_id: str, time: str | None) -> dict[str, Any]:
    return {"messageId": message_id, "messageTime": time}


def test_message_ids_come_newest_first_from_both_shapes() -> None:
    old, new = details("old", "2026-01-01T00:00:00Z"), details("new", "2026-01-02T00:00:00Z")
    documented = {
        "participants": [{"messages": [{"id": "leg", "messages": [old]}]}, {"messages": [{"messages": [new]}]}]
    }
    modelled = {"participants": [{"messages": [old]}, {"messages": [new]}]}
    assert message_ids(documented) == message_ids(modelled) == ["new", "old"]


def test_a_message_without_a_time_counts_as_new() -> None:
    untimed, timed = details("untimed", None), details("timed", "2026-01-01T00:00:00Z")
    assert message_ids({"participants": [{"messages": [untimed, timed]}]}) == ["untimed", "timed"]


@given(ANY_JSON)
def test_answers_of_any_shape_are_read_without_an_exception(answer: Any) -> None:
    message_ids(answer)
    if isinstance(answer, dict):
        media_of(answer)
        is_outbound(answer)
        text_of(answer)


@given(st.lists(st.text(max_size=3), max_size=50), st.integers(1, 20))
def test_pages_hold_every_id_once_and_no_page_is_too_long(ids: list[str], size: int) -> None:
    cut = list(pages(ids, size))
    assert [one for page in cut for one in page] == ids
    assert all(len(page) <= size for page in cut)


def test_a_message_holds_a_needle_in_text_metadata_or_content() -> None:
    assert holds({"normalizedMessage": {"text": "see https://cdn/key.webp?sig=1"}}, "key.webp")
    assert holds({"normalizedMessage": {"metadata": {"previewUrl": "https://cdn/key.webp"}}}, "key.webp")
    assert not holds({"normalizedMessage": {"text": "other"}}, "key.webp")


def test_media_is_read_from_normalized_messages_and_from_events() -> None:
    attachment = {"id": "a", "url": "https://f/1", "mime": "image/png", "filename": "x.png", "contentSizeBytes": 7}
    normalized = {"normalizedMessage": {"content": [{"contentType": "Attachment", "attachment": attachment}]}}
    event = {
        "media": [{"id": "a", "url": "https://f/1", "mediaType": "image/png", "name": "x.png", "contentLengthBytes": 7}]
    }
    wanted = Media(id="a", url="https://f/1", file_name="x.png", mime_type="image/png", size_bytes=7)
    assert media_of(normalized) == media_of(event) == (wanted,)


def test_links_and_locations_are_no_files() -> None:
    link, place = {"url": "https://f/1", "mediaType": "Link"}, {"url": "https://f/2"}
    contents = [{"attachment": link}, {"contentType": "Location", "attachment": place}]
    event = [{"url": "https://f/3", "mediaType": "link"}]
    assert media_of({"normalizedMessage": {"content": contents}, "media": event}) == ()


def test_what_a_sender_declares_wrongly_does_not_cost_the_file() -> None:
    wrong = {"url": "https://f/1", "contentSizeBytes": -1, "sha256": "not a digest"}
    assert media_of({"media": [wrong]}) == (Media(url="https://f/1"),)
