"""What guests, senders and other producers may get wrong: each ends in a reason code, and the worker lives on."""

import http.client
import json
from collections.abc import Iterator
from typing import Final

import pytest
from msgspec import structs

from stream.messages import Attachment, Expire, Picture, Preview, Release, encode
from tests.harness.genesys.faults import Fault
from tests.harness.kafka import RealKafka
from tests.harness.s3 import Minio
from tests.system.rig import Rig, running

pytestmark = [pytest.mark.system, pytest.mark.timeout(240)]

IMPATIENT: Final = {
    "DOWNLOAD_TIMEOUT_SECONDS": "3",
    "DOWNLOAD_STALL_TIMEOUT_SECONDS": "1.5",
    "RETRY_MAX_ATTEMPTS": "2",
    "DOWNLOAD_MAX_BYTES": "4000000",
}
VERDICTS: Final = {
    "/status/404": "source_gone",
    "/status/410": "source_gone",
    "/forbidden": "source_gone",
    "/expired/s3": "source_gone",
    "/status/400": "source_refused",
    "/redirect-for-ever": "source_refused",
    "/redirect-loop": "source_refused",
    "/redirect/6": "source_refused",
    "/redirect-nowhere": "source_refused",
    "/too-large": "too_large",
    "/endless": "too_large",
    "/gzip-bomb": "source_refused",
    "/empty": "empty",
    "/no-content": "empty",
    "/html.png": "unsupported",
    "/redirect-to?url=http://10.0.0.1/": "source_blocked",
    "/redirect-to?url=http://169.254.169.254/latest/meta-data/": "source_blocked",
    "/redirect-to?url=http://[::ffff:169.254.169.254]/": "source_blocked",
    "/redirect-to?url=http://[::1]/": "source_blocked",
    "/redirect-to?url=file:///etc/passwd": "source_blocked",
}
RETRIED: Final = {
    "/drip": "source_timeout",
    "/drip-headers": "source_timeout",
    "/stall": "source_timeout",
    "/silent": "source_timeout",
    "/truncated": "source_unavailable",
    "/truncated-chunk": "source_unavailable",
    "/garbage": "source_unavailable",
    "/status/500": "source_unavailable",
    "/status/503": "source_unavailable",
}


@pytest.fixture(scope="module")
def rig(kafka: RealKafka, minio: Minio, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Rig]:
    with running(tmp_path_factory.mktemp("bad-input"), kafka, minio, IMPATIENT) as made:
        made.product.add_worker()
        yield made
        assert made.product.workers[0].running
        assert made.product.workers[0].stop(60) == 0
        made.assert_sound()


def post(rig: Rig, body: bytes, content_type: str = "application/json") -> tuple[int, str]:
    connection = http.client.HTTPConnection("127.0.0.1", rig.product.bridge_port, timeout=10)
    try:
        connection.request("POST", "/webhooks/genesys/attachments", body, {"Content-Type": content_type})
        answer = connection.getresponse()
        return answer.status, json.loads(answer.read())["code"]
    finally:
        connection.close()


def test_a_webhook_that_is_no_event_of_ours_is_answered_with_an_error_that_says_why(rig: Rig) -> None:
    assert post(rig, b"") == (400, "not_json")
    assert post(rig, b"<xml/>") == (400, "not_json")
    assert post(rig, b"\xff\xfe\x00") == (400, "not_json")
    assert post(rig, b"[" * 100_000) == (400, "not_json")
    assert post(rig, b"[]") == (422, "wrong_shape")
    assert post(rig, b'{"event":"webchat:attachment","data":{"conversationId":7}}') == (422, "wrong_shape")
    assert post(rig, b"{}", "text/plain") == (415, "unsupported_media_type")
    assert post(rig, b'{"event":"' + b"x" * 10_000_000 + b'"}') == (413, "too_large")


def test_unknown_fields_are_accepted(rig: Rig) -> None:
    event_id = rig.drop(somethingNew="of a later version")
    assert rig.verdict(event_id) == "rendered"
    assert rig.posts_of(event_id) == 1


def test_a_webhook_that_is_sent_again_says_nothing_again(rig: Rig) -> None:
    """Genesys sends a webhook up to five times; also at the same moment, and after its link has been posted."""
    again = {"eventId": "sent-again", "conversationId": "sent-again"}
    for _ in range(3):
        rig.drop(**again)
    assert rig.verdict("sent-again") == "rendered"
    rig.drop(**again)
    rig.wait("a copy of the outcome", lambda: [o.event_id for o in rig.ledger.outcomes].count("sent-again") == 4)
    assert rig.posts_of("sent-again") == 1


def test_every_bad_address_and_file_ends_in_its_verdict_even_while_genesys_forbids_all_posts(rig: Rig) -> None:
    """Files come to their verdicts although no link can be posted, and the link is posted once that is mended."""
    forbidden = Fault(kind="status", call="post_to_communication", status=403)
    rig.genesys.control.add_fault(forbidden)
    held = rig.drop()
    rig.wait("readiness to name the permission", lambda: "conversation:message:create" in rig.readiness()[1])
    assert rig.readiness()[0] == 503
    rig.genesys.control.clear_faults()  # mended: the worker finds out by itself

    expected = {rig.drop("file.png", rig.files.url(path)): verdict for path, verdict in VERDICTS.items()}
    retried = {rig.drop("file.png", rig.files.url(path)): reason for path, reason in RETRIED.items()}
    cut = rig.drop("cut.png", rig.files.add("cut.png", rig.files.files.contents["photo.png"][0][:300]))
    rig.wait_for_ends([*expected, *retried, cut])
    assert {event_id: rig.outcome(event_id).verdict for event_id in expected} == expected
    assert rig.outcome(cut).verdict in {"corrupt", "partial"}
    assert all(rig.outcome(event_id).outcome == "rejected" and rig.outcome(event_id).reason for event_id in expected)
    for event_id, reason in retried.items():
        (letter,) = rig.dead_letters(event_id)
        assert (letter.reason, letter.stage, letter.attempt) == ("retries_exhausted", "download", 2)
        assert reason in letter.message

    rig.wait("readiness to come back", lambda: rig.readiness()[0] == 200, 40)
    rig.wait_for_ends([held])
    assert (rig.outcome(held).verdict, rig.outcome(held).attempt, rig.posts_of(held)) == ("rendered", 1, 1)
    assert not rig.dead_letters(held)


JUNK: Final[dict[str, bytes | None]] = {
    "junk": bytes(range(256)),
    "null": None,
    "empty": b"",
    "xml": b"<xml/>",
    "list": b"[1, 2]",
    "string": b'"text"',
    "other shape": b'{"some": "thing"}',
    "deep": b'{"later": ' + b"[" * 200_000,
    "not UTF-8": b'{"conversationId": "\xff\xfe", "attachmentUrl": "https://example.com/a.png"}',
    "not UTF-8 either": b'{"command": "expire", "objectKey": "\xff\xfe"}',
    "long nonsense": b'{"command": "' + b"x" * 1_000_000 + b'"}',
    "half": encode(Attachment(conversation_id="c", attachment_url="https://example.com/a.png"))[:-5],
    "wrong version": b'{"version": 2, "conversationId": "c", "attachmentUrl": "https://example.com/a.png"}',
    "wrong type": b'{"version": 1, "conversationId": 7, "attachmentUrl": "https://example.com/a.png"}',
    "nothing to fetch": b'{"conversationId": "c"}',
    "unknown command": b'{"command": "explode", "version": 1}',
    "huge": b'"' + b"x" * 900_000 + b'"',
}


def test_foreign_records_in_every_topic_that_agents_read_become_dead_letters_with_their_bytes(rig: Rig) -> None:
    sent = set()
    for topic in (rig.topics.attachments, rig.topics.previews, rig.topics.lifecycle):
        rig.produce(topic, *JUNK.values(), key=None)
        rig.produce(topic, *JUNK.values(), key=b"\xff\xfe", partition=3)
        sent |= {(topic, value or b"") for value in JUNK.values()}
    after = rig.drop()

    def found() -> set[tuple[str, bytes]]:
        letters = rig.ledger.dead_letters
        return {(letter.origin.topic, letter.payload) for letter in letters if letter.reason == "undecodable"}

    rig.wait("every foreign record as a dead letter", lambda: sent <= found())
    assert rig.verdict(after) == "rendered"


def test_junk_in_headers_changes_nothing(rig: Rig) -> None:
    headers = [
        ("attempt", b"junk"),
        ("replays", b"-1"),
        ("first-at", b"nan"),
        ("event-id", b"\xff\xfe"),
        ("traceparent", b"00-1-2-01"),
        ("nothing", b""),
        ("\N{SNOWMAN}", b"x" * 10_000),
    ]
    event_id = "event-with-junk-headers"
    rig.produce(rig.topics.attachments, attachment(rig, event_id), headers=headers)
    assert rig.verdict(event_id) == "rendered"
    assert rig.outcome(event_id).attempt == 1


@pytest.mark.parametrize("stage", ["handed on", "tried again"])
def test_a_record_that_grows_too_large_on_its_way_becomes_a_dead_letter(rig: Rig, stage: str) -> None:
    """What Kafka takes from a producer may be too large with our own fields added, or in base64 in the due table."""
    event_id = f"event-too-large-{stage}"
    name = "photo.png" if stage == "handed on" else "/status/503"
    value = attachment(rig, event_id, name)
    rig.produce(rig.topics.attachments, value, headers=[("theirs", b"x" * (1_048_400 - len(value)))])
    rig.wait("its end", lambda: event_id in rig.ledger.ended())
    (letter,) = rig.dead_letters(event_id)
    assert (letter.reason, letter.payload) == ("record_too_large", value)


def test_foreign_records_with_the_largest_key_or_header_names_still_become_dead_letters(rig: Rig) -> None:
    rig.produce(rig.topics.attachments, b"large key", key=b"k" * 1_048_000)
    rig.produce(rig.topics.attachments, b"long header name", headers=[("\1" * 1_048_000, b"")])

    def found() -> set[bytes]:
        return {letter.payload for letter in rig.ledger.dead_letters}

    rig.wait("both dead letters", lambda: found() >= {b"large key", b"long header name"})


def attachment(rig: Rig, event_id: str, name: str = "photo.png") -> bytes:
    url = rig.files.url(name)
    return encode(Attachment(event_id=event_id, conversation_id=event_id, attachment_url=url, file_name="photo.png"))


def test_well_formed_records_of_others_cannot_harm(rig: Rig) -> None:
    """A preview that nobody stored is rendered anew; what is not there is told of by nobody; a bad key is refused."""
    event_id = "event-of-another-producer"
    theirs = Preview(
        attachment=Attachment(
            event_id=event_id, conversation_id=event_id, attachment_url=rig.files.url("photo.jpg"), file_name="p.jpg"
        ),
        object_key="not/there.webp",
        picture=Picture(width_px=1, height_px=1, size_bytes=1),
        expires_at=4e9,
    )
    odd = structs.replace(theirs, attachment=structs.replace(theirs.attachment, event_id="odd"), object_key="../odd")
    rig.produce(rig.topics.previews, encode(theirs), encode(odd))
    expire = Expire(event_id="expire-nothing", conversation_id="c", object_key="not/there.webp", expires_at=1.0)
    rig.produce(rig.topics.lifecycle, encode(expire), encode(Release(conversation_id="c", order_id="behind it")))
    assert rig.verdict(event_id) == "rendered"
    rig.wait_for_ends(["odd"])
    assert rig.dead_letters("odd")[0].reason == "storage_refused"
    rig.wait("the order behind it", lambda: any(one.order_id == "behind it" for one in rig.ledger.conversations))
    assert all(record.event_id != "expire-nothing" for record in rig.ledger.lifecycle)
    assert rig.dead_letters("expire-nothing") == []
