"""Records that no client writes, but the protocol allows: header names of any bytes."""

import struct
from collections.abc import Iterable

from aiokafka.client import AIOKafkaClient
from aiokafka.errors import for_code
from aiokafka.protocol.produce import ProduceRequest
from aiokafka.record.default_records import DefaultRecordBatch, _DefaultRecordBatchBuilderPy
from aiokafka.structs import TopicPartition

TIMEOUT_MS = 10_000
ALL_REPLICAS = -1
NOBODY = -1
COMPRESSED = {"none": DefaultRecordBatch.CODEC_NONE, "gzip": DefaultRecordBatch.CODEC_GZIP}


class Name(str):
    """A header name that is encoded byte by byte."""

    __slots__ = ()

    def encode(self, *_: object) -> bytes:
        return bytes(self, "latin-1")


def batch(values: Iterable[bytes], header_names: dict[int, bytes], compression: str = "none") -> bytes:
    """Return a batch as it is sent; some of its records, by index, have a header of the given name."""
    builder = _DefaultRecordBatchBuilderPy(2, COMPRESSED[compression], 0, NOBODY, NOBODY, NOBODY, 1 << 20)
    for number, value in enumerate(values):
        headers = [(Name(header_names[number].decode("latin-1")), b"of any bytes")] if number in header_names else []
        assert builder.append(number, 1_700_000_000_000, b"key", value, headers) is not None
    return bytes(builder.build())


def with_wrong_checksum(data: bytes) -> bytes:
    """Return a batch of which a bit fell over on its way."""
    at = struct.calcsize(">qiib")
    return data[:at] + bytes([data[at] ^ 1]) + data[at + 1 :]


async def produce(bootstrap_servers: str, topic: str, partition: int, data: bytes) -> None:
    """Append a batch as it is."""
    client = AIOKafkaClient(bootstrap_servers=bootstrap_servers)
    await client.bootstrap()
    try:
        await client.set_topics([topic])
        leader = client.cluster.leader_for_partition(TopicPartition(topic, partition))
        request = ProduceRequest(None, ALL_REPLICAS, TIMEOUT_MS, [(topic, [(partition, data)])])
        answer = await client.send(leader, request)
        [(_, [(_, error_code, *_)])] = answer.topics
        if error_code:
            raise for_code(error_code)(topic)
    finally:
        await client.close()
