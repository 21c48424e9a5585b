from stream.kafka.snapshot import StoredRecord
from stream.messages import Origin, encode
from stream.records.conversations import ConversationRow, rows_of

ERASED = ConversationRow(state="erased", order_id="1", at=1.0)
HELD = ConversationRow(state="held", order_id="2", at=2.0)


def written(key: bytes | None, row: ConversationRow | bytes | None, partition: int = 0) -> StoredRecord:
    value = encode(row) if isinstance(row, ConversationRow) else row
    return StoredRecord(Origin(topic="t", partition=partition, offset=0), key, value, None)


def test_the_last_record_of_a_conversation_tells_what_is_ordered_of_it() -> None:
    log = [written(b"a", HELD), written(b"b", HELD), written(b"a", None), written(b"a", ERASED), written(b"b", None)]
    assert rows_of(log) == {"a": ERASED}


def test_records_that_are_no_rows_tell_nothing() -> None:
    assert rows_of([written(b"a", b"junk"), written(b"b", b"{}"), written(None, None), written(b"\xff", b"")]) == {}


def test_a_row_that_has_moved_counts_in_whatever_order_its_partitions_are_read() -> None:
    here, gone = written(b"a", ERASED, 5), [written(b"a", ERASED, 1), written(b"a", None, 1)]
    assert rows_of([here, *gone]) == rows_of([*gone, here]) == {"a": ERASED}
