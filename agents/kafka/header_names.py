r"""Header names that are not UTF-8: what aiokafka takes for a corrupt record, and would stumble over again and again.

Kafka does not look at them, and a producer that writes the protocol by itself may send any bytes. The records are
fetched once more and unpacked with such names escaped (`\xff`); all else of them stays as it is.
"""

import logging
from typing import Any, Final, SupportsIndex, overload

from aiokafka.consumer.fetcher import FetchResult, PartitionRecords
from aiokafka.errors import CorruptRecordException, for_code
from aiokafka.protocol.fetch import FetchRequest
from aiokafka.record.default_records import _DefaultRecordBatchPy
from aiokafka.record.memory_records import _MemoryRecordsPy
from faust.types import TP

logger = logging.getLogger(__name__)

BATCHES_OF_TODAY: Final = 2
"""From this version of the batch format on, which is Kafka's since 0.11, records have headers."""
REPLICA_VERSION: Final = 11
"""Of the answer to a fetch, which from then on names a replica beside the aborted transactions."""


class _Forgiving(bytearray):
    """Bytes of records; what is decoded of them are names of headers, and nothing else."""

    @overload
    def __getitem__(self, key: SupportsIndex, /) -> int: ...
    @overload
    def __getitem__(self, key: slice, /) -> "_Forgiving": ...
    def __getitem__(self, key: Any, /) -> Any:
        found = super().__getitem__(key)
        return found if isinstance(found, int) else _Forgiving(found)

    def decode(self, encoding: str = "utf-8", errors: str = "backslashreplace") -> str:
        return super().decode(encoding, errors)


class ForgivingRecords:
    """What a broker sent of a partition, as aiokafka's MemoryRecords, but for names of headers."""

    def __init__(self, data: bytes) -> None:
        self._records = _MemoryRecordsPy(data)

    def has_next(self) -> bool:
        """Return whether there is another batch."""
        more: bool = self._records.has_next()
        return more

    def next_batch(self) -> Any:
        """Return the next batch.

        Raises:
            CorruptRecordException: Its checksum is wrong.
        """
        data: Any = self._records._next_slice  # noqa: SLF001
        old = self._records.next_batch()
        if data[_MemoryRecordsPy.MAGIC_OFFSET] < BATCHES_OF_TODAY:
            return old
        batch = _DefaultRecordBatchPy(data)
        if not batch.validate_crc():
            raise CorruptRecordException(f"wrong checksum of the batch at offset {batch.base_offset}")
        batch._maybe_uncompress()  # noqa: SLF001 - which would put other bytes in place of ours
        batch._buffer = _Forgiving(batch._buffer)  # noqa: SLF001
        return batch


async def forgive(fetcher: Any, tp: TP) -> None:
    """Fetch a partition's next records once more, and leave them with aiokafka's fetcher, ready to be read.

    Raises:
        KafkaError: The broker does not answer, or not with records.
    """
    assignment = fetcher._subscriptions.subscription.assignment  # noqa: SLF001
    refused, position = fetcher._records[tp], assignment.state_value(tp).position  # noqa: SLF001
    data, aborted = await _fetch(fetcher, tp, position)
    # While the refused ones lie there nothing of the partition is fetched; they go when it moves away.
    if fetcher._records.get(tp) is not refused or assignment.state_value(tp).position != position:  # noqa: SLF001
        return
    logger.warning("kafka.header_name_escaped", extra={"topic": tp.topic, "at": tp.partition, "from_offset": position})
    records: Any = ForgivingRecords(data)
    isolation = fetcher._isolation_level  # noqa: SLF001
    unpacked = PartitionRecords(tp, records, aborted, position, None, None, False, isolation)  # noqa: FBT003
    fetcher._records[tp] = FetchResult(tp, assignment=assignment, partition_records=unpacked, backoff=0)  # noqa: SLF001


async def _fetch(fetcher: Any, tp: TP, offset: int) -> tuple[bytes, Any]:
    """Return the records from an offset on as they were sent, and the transactions that were aborted among them."""
    client, most = fetcher._client, fetcher._max_partition_fetch_bytes  # noqa: SLF001
    wanted = [(tp.topic, [(tp.partition, offset, most)])]
    request = FetchRequest(0, 1, most, fetcher._isolation_level, wanted)  # noqa: SLF001
    response = await client.send(client.cluster.leader_for_partition(tp), request)
    [(_, [(_, error_code, _, *rest)])] = response.topics
    if error_code:
        raise for_code(error_code)(tp)
    return rest[-1], rest[-3 if response.API_VERSION >= REPLICA_VERSION else -2]
