from collections.abc import Callable
from typing import Any

from confluent_kafka import KafkaError

from stream.backfill.publishing import Publisher
from stream.messages import decode_attachment
from tests.stream.backfill.guest_files import guest_file

FILES = [guest_file(1).attachment, guest_file(2).attachment]


class Producer:
    """Acknowledges at the flush, refuses the records whose value holds `refused`, and is full at first."""

    def __init__(self, refused: bytes = b"nothing", *, silent: bool = False) -> None:
        self.sent: list[tuple[str, bytes, bytes | None, dict[str, bytes]]] = []
        self._refused = refused
        self._silent = silent
        self._full = True
        self._reports: list[Callable[[], None]] = []

    def produce(
        self,
        topic: str,
        value: bytes,
        key: bytes | None,
        *,
        headers: Any,
        on_delivery: Callable[[KafkaError | None, object], None],
    ) -> None:
        if self._full:
            raise BufferError
        self.sent.append((topic, value, key, dict(headers)))
        error = KafkaError(KafkaError.TOPIC_AUTHORIZATION_FAILED) if self._refused in value else None
        self._reports.append(lambda: on_delivery(error, None))

    def poll(self, timeout: float) -> int:
        assert timeout > 0
        self._full = False
        return 0

    def flush(self, timeout: float) -> int:
        assert timeout > 0
        for report in [] if self._silent else self._reports:
            report()
        return 0


def test_records_are_those_of_the_bridge_under_a_source_of_their_own() -> None:
    producer = Producer()
    assert Publisher(producer, "attachments", lambda: 123.0).publish(FILES) == {}
    topic, value, key, headers = producer.sent[0]
    assert (topic, key) == ("attachments", b"conversation")
    assert (headers["ce_id"], headers["ce_source"]) == (b"m1:f1", b"/genesys-cloud/backfill")
    attachment = decode_attachment(value)
    assert (attachment.event_id, attachment.received_at) == ("m1:f1", 123.0)


def test_what_kafka_refuses_or_does_not_answer_is_named() -> None:
    refused = Publisher(Producer(b'"m2:f2"'), "attachments", lambda: 0.0).publish(FILES)
    assert list(refused) == ["m2:f2"]
    silent = Publisher(Producer(silent=True), "attachments", lambda: 0.0).publish(FILES)
    assert silent == dict.fromkeys(["m1:f1", "m2:f2"], "no answer from Kafka")
