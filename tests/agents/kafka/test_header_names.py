import pytest
from aiokafka.consumer.fetcher import PartitionRecords
from aiokafka.errors import CorruptRecordException
from aiokafka.record.memory_records import MemoryRecords
from faust.types import TP

from agents.kafka.header_names import ForgivingRecords
from tests.harness.raw_records import batch, with_wrong_checksum

VALUES = [b"0", b"1", b"2"]


def unpacked(records: object, offset: int = 0) -> list[tuple[int, bytes | None, tuple[tuple[str, bytes], ...]]]:
    found = PartitionRecords(TP("attachments", 0), records, [], offset, None, None, check_crcs=False, isolation_level=1)
    return [(record.offset, record.value, record.headers) for record in found]


@pytest.mark.parametrize("compression", ["none", "gzip"])
def test_a_name_that_is_not_utf_8_is_escaped_and_nothing_else_is_changed(compression: str) -> None:
    data = batch(VALUES, {1: b"n\xff\xfe", 2: "näme".encode()}, compression)
    with pytest.raises(UnicodeDecodeError):  # of aiokafka's C code; its Python code calls it a corrupt record
        unpacked(MemoryRecords(data))
    assert unpacked(ForgivingRecords(data)) == [
        (0, b"0", ()),
        (1, b"1", (("n\\xff\\xfe", b"of any bytes"),)),
        (2, b"2", (("näme", b"of any bytes"),)),
    ]


def test_reading_goes_on_in_the_middle_of_a_batch() -> None:
    assert [offset for offset, *_ in unpacked(ForgivingRecords(batch(VALUES, {2: b"\xff"})), 1)] == [1, 2]


def test_records_that_aiokafka_reads_are_read_alike() -> None:
    data = batch(VALUES, {0: b"traceparent"})
    assert unpacked(ForgivingRecords(data)) == unpacked(MemoryRecords(data))


def test_bytes_that_are_damaged_are_not_forgiven() -> None:
    with pytest.raises(CorruptRecordException):
        unpacked(ForgivingRecords(with_wrong_checksum(batch(VALUES, {1: b"\xff"}))))
