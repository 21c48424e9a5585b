"""What other producers do, rightly or wrongly, and what becomes of it: a case for each line of the page."""

import gzip
import json
import time
import zlib
from collections.abc import Callable
from typing import Any, Final

import pytest
from confluent_kafka import KafkaError, KafkaException, Producer

from stream.kafka.clients import client_config
from stream.kafka.snapshot import StoredRecord
from stream.messages import Attachment, event_id
from stream.topics import RECORD_MAX_BYTES
from tests.system.rig import Rig

SECONDS: Final = 30.0

Case = Callable[[Rig], None]
CASES: dict[str, Case] = {}


def told(what: str) -> Callable[[Case], Case]:
    """Name the line of the page that a case stands for."""

    def note(case: Case) -> Case:
        CASES[what] = case
        return case

    return note


def of(rig: Rig, conversation: str) -> list[StoredRecord]:
    """Return the records of a conversation in [attachments]."""
    wanted = f'"{conversation}"'.encode()
    return [record for record in rig.records(rig.topics.attachments) if wanted in (record.value or b"")]


def value(rig: Rig, name: str, **fields: Any) -> bytes:
    """Return an attachment whose event id and conversation have this name."""
    told = {"eventId": name, "conversationId": name, "attachmentUrl": rig.files.url("photo.png"), "fileName": "p.png"}
    return json.dumps(told | fields).encode()


def sent(rig: Rig, records: list[dict[str, Any]], **config: Any) -> list[KafkaError | None]:
    """Send records with a client of this configuration; return what became of each."""
    results: list[KafkaError | None] = []
    producer = Producer({"bootstrap.servers": rig.kafka.bootstrap_servers, "log_level": 0, **config})
    for record in records:
        producer.produce(rig.topics.attachments, on_delivery=lambda error, _: results.append(error), **record)
    assert producer.flush(SECONDS) == 0
    return results


def worked_on_once(rig: Rig, *events: str) -> None:
    for event in events:
        assert rig.verdict(event) == "rendered"
    rig.wait("the posts", lambda: all(rig.posts_of(event) == 1 for event in events))


@told("takes librdkafka's own partitioner")
def _(rig: Rig) -> None:
    events = [f"own partitioner {number}" for number in range(4)]
    assert not any(sent(rig, [{"key": event, "value": value(rig, event)} for event in events]))
    worked_on_once(rig, *events)


@told("sends no key")
def _(rig: Rig) -> None:
    events = [f"no key {number}" for number in range(3)]
    assert not any(sent(rig, [{"value": value(rig, event)} for event in events]))
    worked_on_once(rig, *events)


@told("sends another key, or names the partition")
def _(rig: Rig) -> None:
    keys = [b"another", b"", b"\xff\xfe\x00"]
    events = [f"another key {number}" for number in range(len(keys))]
    records = zip(keys, events, range(len(keys)), strict=True)
    assert not any(sent(rig, [{"key": key, "value": value(rig, event), "partition": at} for key, event, at in records]))
    worked_on_once(rig, *events)


def outcomes_of(rig: Rig, event: str) -> int:
    return [outcome.event_id for outcome in rig.ledger.outcomes].count(event)


@told("sends an event twice")
def _(rig: Rig) -> None:
    record = {"value": value(rig, "twice")}
    assert not any(sent(rig, [record | {"partition": partition} for partition in (0, 0, 1, 2)]))
    rig.wait("an outcome of each copy", lambda: outcomes_of(rig, "twice") == 4)
    worked_on_once(rig, "twice")


@told("sends an event twice without its id")
def _(rig: Rig) -> None:
    record = {"value": value(rig, "without id", eventId="")}
    assert not any(sent(rig, [record | {"partition": partition} for partition in (0, 1)]))
    computed = event_id(Attachment(conversation_id="without id", attachment_url=photo(rig), file_name="p.png"))
    rig.wait("an outcome of each copy", lambda: outcomes_of(rig, computed) == 2)
    worked_on_once(rig, computed)


def photo(rig: Rig) -> str:
    return rig.files.url("photo.png")


@told("sends what the bridge was sent, too")
def _(rig: Rig) -> None:
    computed = rig.drop("both ways.png", photo(rig), conversationId="both ways", eventId=None)
    same = {"conversationId": "both ways", "attachmentUrl": photo(rig), "fileName": "both ways.png"}
    assert not any(sent(rig, [{"value": json.dumps(same)}]))
    rig.wait("an outcome of each copy", lambda: outcomes_of(rig, computed) == 2)
    worked_on_once(rig, computed)


@told("sends headers of junk")
def _(rig: Rig) -> None:
    junk = {"attempt": b"\xff", "replays": b"-7", "first-at": b"inf", "tried-since": b"x", "event-id": b"", "é": b"\0"}
    assert not any(sent(rig, [{"value": value(rig, "junk headers"), "headers": junk}]))
    worked_on_once(rig, "junk headers")
    assert rig.outcome("junk headers").attempt == 1


@told("repeats a header, or gives it no value")
def _(rig: Rig) -> None:
    headers = [("attempt", b"4"), ("attempt", None), ("traceparent", None), ("", b"no name")]
    assert not any(sent(rig, [{"value": value(rig, "odd headers"), "headers": headers}]))
    worked_on_once(rig, "odd headers")
    assert rig.outcome("odd headers").attempt == 1


def refused_as_undecodable(rig: Rig, *payloads: bytes | None) -> None:
    """Each payload becomes one dead letter with its bytes, and what stands behind it is worked on."""
    assert not any(sent(rig, [{"key": b"k", "value": payload} for payload in payloads]))
    wanted = sorted(payload or b"" for payload in payloads)

    def found() -> list[bytes]:
        letters = [letter for letter in rig.ledger.dead_letters if letter.payload in wanted and letter.key == b"k"]
        assert {letter.reason for letter in letters} <= {"undecodable"}
        return sorted(letter.payload for letter in letters)

    rig.wait("a dead letter of each", lambda: found() == wanted)
    behind = f"behind {zlib.crc32(wanted[0])}"
    assert not any(sent(rig, [{"key": b"k", "value": value(rig, behind)}]))
    worked_on_once(rig, behind)
    assert found() == wanted


def text(rig: Rig, name: str) -> str:
    return value(rig, name, fileName="é").decode().replace("\\u00e9", "é")


@told("writes UTF-16")
def _(rig: Rig) -> None:
    name = "utf-16"
    refused_as_undecodable(rig, *(text(rig, name).encode(kind) for kind in ("utf-16", "utf-16-le", "utf-16-be")))


@told("begins with a byte order mark")
def _(rig: Rig) -> None:
    refused_as_undecodable(rig, text(rig, "mark").encode("utf-8-sig"))


@told("writes Latin-1")
def _(rig: Rig) -> None:
    refused_as_undecodable(rig, text(rig, "latin").encode("latin-1"))


@told("packs the JSON with gzip")
def _(rig: Rig) -> None:
    refused_as_undecodable(rig, gzip.compress(value(rig, "packed"), mtime=0))


@told("writes Avro, Protobuf or JSON through a schema registry")
def _(rig: Rig) -> None:
    of_registry = b"\x00\x00\x00\x00\x2a"  # magic byte and schema id, then what the serializer made
    fields = [b"conversation", photo(rig).encode()]
    avro = b"".join(bytes([len(field) << 1 & 0x7F]) + field for field in fields)
    protobuf = b"".join(bytes([number << 3 | 2, len(field)]) + field for number, field in enumerate(fields, 1))
    refused_as_undecodable(rig, of_registry + value(rig, "registry"), of_registry + avro, avro, b"\x00" + protobuf)


@told("writes NaN, or half an emoji")
def _(rig: Rig) -> None:
    refused_as_undecodable(
        rig, value(rig, "nan", sizeBytes=float("nan")), value(rig, "half").replace(b"p.png", b"\\ud83d.png")
    )


@told("sends tombstones")
def _(rig: Rig) -> None:
    refused_as_undecodable(rig, None)


@told("compresses with gzip, snappy, lz4 or zstd")
def _(rig: Rig) -> None:
    codecs = ["gzip", "snappy", "lz4", "zstd"]
    for codec in codecs:
        again = {"value": value(rig, f"in {codec}", note="x" * 5_000)}
        assert not any(sent(rig, [again], **{"compression.type": codec}))
    worked_on_once(rig, *(f"in {codec}" for codec in codecs))


def transactional(rig: Rig, name: str) -> Producer:
    producer = Producer(
        {**client_config(rig.product.kafka_settings, client_id=name), "transactional.id": name, "log_level": 0}
    )
    producer.init_transactions(SECONDS)
    producer.begin_transaction()
    return producer


@told("aborts a transaction")
def _(rig: Rig) -> None:
    producer = transactional(rig, f"{rig.topics.attachments}-aborts")
    for event in ("aborted", "aborted, too"):
        producer.produce(rig.topics.attachments, value(rig, event), b"k", 1)
    producer.flush(SECONDS)  # the broker has them
    producer.abort_transaction(SECONDS)
    assert not any(sent(rig, [{"value": value(rig, "after the abort"), "key": b"k", "partition": 1}]))
    worked_on_once(rig, "after the abort")  # same partition and key: the others would have come first
    assert not {"aborted", "aborted, too"} & rig.ledger.ended()


@told("leaves a transaction open")
def _(rig: Rig) -> None:
    producer = transactional(rig, f"{rig.topics.attachments}-open")
    producer.produce(rig.topics.attachments, value(rig, "left open"), b"k", 2)
    producer.flush(SECONDS)
    assert not any(sent(rig, [{"value": value(rig, "behind it"), "key": b"k", "partition": 2}]))
    assert not any(sent(rig, [{"value": value(rig, "elsewhere"), "key": b"k", "partition": 1}]))
    worked_on_once(rig, "elsewhere")
    assert not {"left open", "behind it"} & rig.ledger.ended()
    producer.commit_transaction(SECONDS)
    worked_on_once(rig, "left open", "behind it")


@told("commits a transaction")
def _(rig: Rig) -> None:
    producer = transactional(rig, f"{rig.topics.attachments}-commits")
    events = [f"committed {number}" for number in range(3)]
    for number, event in enumerate(events):
        producer.produce(rig.topics.attachments, value(rig, event), event.encode(), number)
    producer.commit_transaction(SECONDS)
    worked_on_once(rig, *events)


@told("sends a record as large as the topic takes")
def _(rig: Rig) -> None:
    room = RECORD_MAX_BYTES - len(value(rig, "largest", note="")) - 100  # of the batch around it
    largest = value(rig, "largest", note="x" * room)
    assert not any(sent(rig, [{"value": largest}], **{"message.max.bytes": RECORD_MAX_BYTES}))
    worked_on_once(rig, "largest")


@told("sends a record that is larger")
def _(rig: Rig) -> None:
    larger = {"value": value(rig, "too large", note="x" * RECORD_MAX_BYTES)}
    with pytest.raises(KafkaException, match="MSG_SIZE_TOO_LARGE"):
        sent(rig, [larger])
    (error,) = sent(rig, [larger], **{"message.max.bytes": 2 * RECORD_MAX_BYTES})
    assert error is not None
    assert error.code() == KafkaError.MSG_SIZE_TOO_LARGE
    assert not of(rig, "too large")


@told("gives timestamps of the past or the future")
def _(rig: Rig) -> None:
    """By these times Kafka would delete the first unread and refuse the last."""
    began = time.time()
    times = {"of 1970": 1, "of a second ago": int((began - 1) * 1000), "of 2100": 4_102_444_800_000}
    assert not any(sent(rig, [{"value": value(rig, event), "timestamp": at} for event, at in times.items()]))
    worked_on_once(rig, *times)
