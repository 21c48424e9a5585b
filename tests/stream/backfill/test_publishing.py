from stream.backfill.publishing import Publisher
from stream.messages import decode_attachment
from tests.stream.backfill.guest_files import guest_file
from tests.stream.outgoing import OutgoingRecords

FILES = [guest_file(1).attachment, guest_file(2).attachment]


def test_records_are_those_of_the_bridge_under_a_source_of_their_own() -> None:
    producer = OutgoingRecords(full_at_first=True)
    assert Publisher(producer, "attachments", lambda: 123.0).publish(FILES) == {}
    topic, value, key, listed = producer.sent[0]
    headers = dict(listed)
    assert (topic, key) == ("attachments", b"conversation")
    assert (headers["ce_id"], headers["ce_source"]) == (b"m1:f1", b"/genesys-cloud/backfill")
    attachment = decode_attachment(value or b"")
    assert (attachment.event_id, attachment.received_at) == ("m1:f1", 123.0)


def test_what_kafka_refuses_or_does_not_answer_is_named() -> None:
    refused = Publisher(OutgoingRecords(refused_bytes=b'"m2:f2"'), "attachments", lambda: 0.0).publish(FILES)
    assert list(refused) == ["m2:f2"]
    silent = Publisher(OutgoingRecords(silent=True), "attachments", lambda: 0.0).publish(FILES)
    assert silent == dict.fromkeys(["m1:f1", "m2:f2"], "no answer from Kafka")
