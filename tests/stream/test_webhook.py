import contextlib
import hashlib
import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from stream.arrival import EventSource
from stream.messages import Attachment, decode_attachment, encode, event_id
from stream.refusals import RefusedRequestError
from stream.sources.body import Ignored
from stream.webhook import MAX_FILES, parse, source_of

TUTORIAL_PATH = EventSource.TUTORIAL  # which takes every kind
TUTORIAL: dict[str, Any] = {
    "event": "webchat:attachment",
    "data": {
        "conversationId": "conversation-1",
        "attachmentUrl": "https://files.example.com/a.png",
        "fileName": "a.png",
        "mimeType": "image/png",
    },
}
OPEN_MESSAGE: dict[str, Any] = {
    "id": "message-1",
    "channel": {"id": "channel-1", "platform": "Open", "type": "Private", "to": {}, "from": {}, "time": "2026-01-01"},
    "type": "Text",
    "direction": "Outbound",
    "conversationId": "conversation-1",
    "content": [
        {
            "contentType": "Attachment",
            "attachment": {
                "id": "file-1",
                "mediaType": "Image",
                "url": "https://files.example.com/a.png",
                "mime": "image/png",
                "filename": "a.png",
                "sha256": "0" * 64,
                "contentSizeBytes": 12,
            },
        },
        {"contentType": "Attachment", "attachment": {"id": "file-2", "url": "https://files.example.com/b.pdf"}},
    ],
}
NOTIFICATION: dict[str, Any] = {
    "topicName": "v2.routing.queues.2f2e.conversations.messages",
    "version": "2",
    "eventBody": {
        "id": "conversation-1",
        "participants": [
            {
                "purpose": "customer",
                "messages": [
                    {
                        "message": {"id": "message-1"},
                        "messageStatus": "received",
                        "media": [
                            {
                                "id": "file-1",
                                "name": "a.pdf",
                                "mediaType": "application/pdf",
                                "contentLengthBytes": 12,
                                "url": "https://files.example.com/a.pdf",
                            }
                        ],
                    }
                ],
            },
            {"purpose": "agent", "messages": [{"message": {"id": "message-2"}, "messageStatus": "sent"}]},
        ],
    },
}
MESSAGE_ONLY: dict[str, Any] = {"conversationId": "conversation-1", "messageId": "message-1"}
SAMPLES = [TUTORIAL, OPEN_MESSAGE, NOTIFICATION, {"detail-type": "t", "detail": NOTIFICATION}, MESSAGE_ONLY]


def changed(payload: dict[str, Any], *path: str | int, to: Any) -> dict[str, Any]:
    copy: dict[str, Any] = json.loads(json.dumps(payload))
    target: Any = copy
    for step in path[:-1]:
        target = target[step]
    target[path[-1]] = to
    return copy


def without(payload: dict[str, Any], *path: str | int) -> dict[str, Any]:
    copy: dict[str, Any] = json.loads(json.dumps(payload))
    target: Any = copy
    for step in path[:-1]:
        target = target[step]
    del target[path[-1]]
    return copy


def attachments(payload: Any, *own_hosts: str) -> tuple[Attachment, ...]:
    found = parse(TUTORIAL_PATH, json.dumps(payload).encode(), own_hosts)
    assert not isinstance(found, Ignored), found
    return found.attachments


def ignored(payload: Any, *own_hosts: str) -> str:
    found = parse(TUTORIAL_PATH, json.dumps(payload).encode(), own_hosts)
    assert isinstance(found, Ignored), found
    return found.reason


def malformed(body: bytes) -> RefusedRequestError:
    with pytest.raises(RefusedRequestError) as caught:
        parse(TUTORIAL_PATH, body)
    return caught.value


def unprocessable(payload: Any) -> str:
    error = malformed(json.dumps(payload).encode())
    assert (error.status, error.code) == (422, "wrong_shape")
    return error.message


def test_the_tutorials_webhook_is_an_attachment_with_a_computed_event_id() -> None:
    (attachment,) = attachments(TUTORIAL)
    assert attachment == Attachment(
        event_id=event_id(attachment),
        conversation_id="conversation-1",
        attachment_url="https://files.example.com/a.png",
        file_name="a.png",
        mime_type="image/png",
    )
    material = b"conversation-1\0https://files.example.com/a.png\0a.png"
    assert attachment.event_id == hashlib.sha256(material).hexdigest()


def test_ids_that_a_sender_knows_are_kept() -> None:
    data = {"eventId": "event-1", "messageId": "message-1", "attachmentId": "file-1"}
    (attachment,) = attachments(changed(TUTORIAL, "data", to=TUTORIAL["data"] | data))
    assert (attachment.event_id, attachment.message_id, attachment.attachment_id) == ("event-1", "message-1", "file-1")


def test_name_and_type_may_be_absent_or_null() -> None:
    (attachment,) = attachments(changed(without(TUTORIAL, "data", "fileName"), "data", "mimeType", to=None))
    assert (attachment.file_name, attachment.mime_type) == ("", "")


@pytest.mark.parametrize("payload", SAMPLES)
def test_unknown_fields_are_accepted(payload: dict[str, Any]) -> None:
    assert attachments(payload | {"unknown": {"deep": [1, None]}}) == attachments(payload)


def test_another_event_is_ignored_whatever_its_data() -> None:
    assert ignored({"event": "webchat:message", "data": 5}) == "other_event"


def test_each_file_of_an_open_message_is_an_attachment_known_by_message_and_file() -> None:
    first, second = attachments(OPEN_MESSAGE)
    assert first == Attachment(
        event_id="message-1:file-1",
        conversation_id="conversation-1",
        attachment_url="https://files.example.com/a.png",
        file_name="a.png",
        mime_type="image/png",
        size_bytes=12,
        sha256="0" * 64,
        message_id="message-1",
        attachment_id="file-1",
    )
    assert second.event_id == "message-1:file-2"


def test_a_digest_or_size_that_is_none_does_not_cost_the_file() -> None:
    path = ("content", 0, "attachment")
    payload = changed(changed(OPEN_MESSAGE, *path, "sha256", to="AAAA"), *path, "contentSizeBytes", to=-1)
    assert [(found.sha256, found.size_bytes) for found in attachments(payload)[:1]] == [(None, None)]


def test_receipts_and_messages_without_files_are_ignored() -> None:
    assert ignored(OPEN_MESSAGE | {"type": "Receipt"}) == "receipt"
    assert ignored(OPEN_MESSAGE | {"content": []}) == "no_attachment"
    assert ignored(without(OPEN_MESSAGE, "content")) == "no_attachment"


@pytest.mark.parametrize("path", [("mediaType",), ("contentType",)])
@pytest.mark.parametrize("kind", ["Link", "Location", "location"])
def test_a_link_or_a_location_that_somebody_sent_is_no_file(path: tuple[str], kind: str) -> None:
    inner = ("attachment", *path) if path == ("mediaType",) else path
    payload = changed(OPEN_MESSAGE, "content", 0, *inner, to=kind)
    assert [attachment.attachment_id for attachment in attachments(payload)] == ["file-2"]


def test_a_link_among_the_media_of_a_notification_is_no_file() -> None:
    media = ("eventBody", "participants", 0, "messages", 0, "media", 0)
    assert ignored(changed(NOTIFICATION, *media, "mediaType", to="Link")) == "no_attachment"


def test_an_open_message_with_files_and_no_conversation_names_the_field() -> None:
    assert "conversationId" in unprocessable(without(OPEN_MESSAGE, "conversationId"))


@pytest.mark.parametrize("wrap", [lambda event: event, lambda event: {"source": "aws.partner", "detail": event}])
def test_a_guests_file_in_a_notification_event_is_an_attachment(wrap: Any) -> None:
    (attachment,) = attachments(wrap(NOTIFICATION))
    assert attachment == Attachment(
        event_id="message-1:file-1",
        conversation_id="conversation-1",
        attachment_url="https://files.example.com/a.pdf",
        file_name="a.pdf",
        mime_type="application/pdf",
        size_bytes=12,
        message_id="message-1",
        attachment_id="file-1",
    )


def test_files_that_the_conversation_sent_out_are_ignored() -> None:
    customer = ("eventBody", "participants", 0)
    assert ignored(changed(NOTIFICATION, *customer, "purpose", to="agent")) == "outbound"
    assert ignored(changed(NOTIFICATION, *customer, "messages", 0, "messageStatus", to="sent")) == "outbound"


def test_heartbeats_and_notifications_of_other_topics_are_ignored() -> None:
    heartbeat = {"topicName": "channel.metadata", "eventBody": {"message": "WebSocket Heartbeat"}}
    assert ignored(heartbeat) == ignored({"detail": heartbeat}) == "heartbeat"
    assert ignored({"topicName": "v2.users.1.presence"}) == ignored({"detail": {}}) == "other_topic"


def test_a_message_alone_is_to_be_resolved_through_the_api() -> None:
    (attachment,) = attachments(MESSAGE_ONLY)
    assert (attachment.conversation_id, attachment.message_id) == ("conversation-1", "message-1")
    assert attachment.attachment_url == ""


def test_files_on_our_own_hosts_are_ignored() -> None:
    assert ignored(TUTORIAL, "files.example.com") == "own_preview"
    assert ignored(
        changed(TUTORIAL, "data", "attachmentUrl", to="https://FILES.example.com:8443/"), "files.example.com"
    )
    assert attachments(TUTORIAL, "example.com")


def test_the_same_file_twice_in_one_event_is_one_attachment() -> None:
    twice = changed(OPEN_MESSAGE, "content", to=OPEN_MESSAGE["content"] + OPEN_MESSAGE["content"])
    assert attachments(twice) == attachments(OPEN_MESSAGE)


@pytest.mark.parametrize(
    "body", [b"", b"not json", b"\xff\xfe", b"5 trailing", b'{"event":', b"[" * 200_000, b'{"a":' * 200_000]
)
def test_what_is_not_json_is_refused_with_400(body: bytes) -> None:
    error = malformed(body)
    assert (error.status, error.code) == (400, "not_json")


@pytest.mark.parametrize("payload", [None, 5, "text", [], [TUTORIAL], {}, {"foo": 1}, {"conversationId": "c"}])
def test_json_without_a_known_shape_is_refused(payload: Any) -> None:
    assert "object" in unprocessable(payload).lower()


@pytest.mark.parametrize(
    ("payload", "field"),
    [
        (changed(TUTORIAL, "event", to=5), "$.event"),
        (without(TUTORIAL, "data"), "`data`"),
        (changed(TUTORIAL, "data", to=[]), "$.data"),
        (without(TUTORIAL, "data", "conversationId"), "`conversationId`"),
        (changed(TUTORIAL, "data", "conversationId", to=""), "$.data.conversationId"),
        (changed(TUTORIAL, "data", "conversationId", to="c" * 257), "$.data.conversationId"),
        (without(TUTORIAL, "data", "attachmentUrl"), "`attachmentUrl`"),
        (changed(TUTORIAL, "data", "attachmentUrl", to="file:///etc/passwd"), "$.data.attachmentUrl"),
        (changed(TUTORIAL, "data", "fileName", to="n" * 1025), "$.data.fileName"),
        (changed(OPEN_MESSAGE, "content", 0, "attachment", "url", to="ftp://x/y"), "$.content[0].attachment.url"),
        (changed(NOTIFICATION, "eventBody", "id", to=5), "$.eventBody.id"),
        ({"detail": without(NOTIFICATION, "eventBody")}, "`eventBody`"),
        (changed(MESSAGE_ONLY, "messageId", to=5), "$.messageId"),
    ],
)
def test_a_refused_payload_is_told_which_field_is_wrong(payload: Any, field: str) -> None:
    assert field in unprocessable(payload)


def test_half_an_emoji_in_a_file_name_does_not_cost_the_file() -> None:
    body = json.dumps(TUTORIAL).replace("a.png", r"a\ud83d.png").encode()
    found = parse(TUTORIAL_PATH, body)
    assert not isinstance(found, Ignored)
    assert found.attachments[0].file_name == "a?.png"


@given(body=st.binary() | st.recursive(st.binary(), lambda inner: inner.map(lambda part: b'{"event":' + part + b"}")))
def test_any_bytes_are_parsed_or_refused(body: bytes) -> None:
    parse_any(body)


JSON_VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(st.characters()) | st.sampled_from(SAMPLES),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=5,
)


@given(data=st.data())
def test_any_change_of_a_known_payload_is_parsed_or_refused(data: st.DataObject) -> None:
    payload = data.draw(st.sampled_from(SAMPLES))
    path = data.draw(st.sampled_from(list(paths(payload))))
    parse_any(json.dumps(changed(payload, *path, to=data.draw(JSON_VALUES))).encode())


def paths(value: Any) -> list[tuple[str | int, ...]]:
    items = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    return [(step, *rest) for step, inner in items for rest in [(), *paths(inner)]]


def parse_any(body: bytes) -> None:
    for path in EventSource:
        with contextlib.suppress(RefusedRequestError):
            found = parse(path, body)
            for attachment in () if isinstance(found, Ignored) else found.attachments:
                assert decode_attachment(encode(attachment)) == attachment


@pytest.mark.parametrize("payload", SAMPLES)
def test_the_path_of_its_own_takes_a_payload_as_the_common_path_does(payload: dict[str, Any]) -> None:
    body = json.dumps(payload).encode()
    assert parse(source_of(body), body) == parse(TUTORIAL_PATH, body)


@pytest.mark.parametrize("path", [source for source in EventSource if source is not TUTORIAL_PATH])
@pytest.mark.parametrize("payload", [{}, *SAMPLES])
def test_the_path_of_a_source_takes_no_other_kind(path: EventSource, payload: dict[str, Any]) -> None:
    body = json.dumps(payload).encode()
    if payload and source_of(body) is path:
        return
    with pytest.raises(RefusedRequestError) as caught:
        parse(path, body)
    assert (caught.value.status, caught.value.code) == (422, "wrong_shape")


def test_an_event_of_more_files_than_the_queue_is_made_for_is_refused_as_a_whole() -> None:
    files = [
        {"attachment": {"id": str(number), "url": "https://files.example.com/"}} for number in range(MAX_FILES + 1)
    ]
    error = malformed(json.dumps(OPEN_MESSAGE | {"content": files}).encode())
    assert (error.status, error.code) == (422, "too_many_files")
    assert len(attachments(OPEN_MESSAGE | {"content": files[1:]})) == MAX_FILES


def test_a_topic_name_that_costs_a_pattern_dearly_is_another_topic() -> None:
    """One megabyte of it would otherwise stop the event loop for an hour."""
    assert ignored({"topicName": "v2." + "conversations." * 70_000}) == "other_topic"
