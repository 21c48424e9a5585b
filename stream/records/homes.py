"""Where the records of a conversation belong: the partition that its id's key has; pure."""

from typing import Final

from aiokafka.partitioner import murmur2

POSITIVE: Final = 0x7FFFFFFF  # Java's partitioner drops the sign (Utils.toPositive)


def partition_of(key: bytes, partitions: int) -> int:
    """Return the partition that every client of ours, and Java's, chooses for a key."""
    hashed: int = murmur2(key)
    return (hashed & POSITIVE) % partitions
