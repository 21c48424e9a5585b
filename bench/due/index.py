"""What the index of a million rows takes: python -m bench.due.index ROWS | DATA_DIR CHANGELOG

Beside as many rows in memory, or of the databases that a worker has left. Prints the bytes a row by which the process
has grown.
"""

import sys
import time
from typing import Final

import msgspec

from agents.row_names import expiry_row
from agents.tables.due_index import DueIndex
from agents.tables.rocksdb import RocksShelves
from agents.tables.shelves import MemoryShelves
from bench.due.rows import due_row, object_key_of, partition_of
from bench.lane.worker import rss_bytes

PARTITIONS: Final = 4
LOOKED_AT_ROWS: Final = 1000


def beside_memory(rows: int) -> float:
    """Return the bytes of a row's index; its key is there already, because the row has it."""
    now, index, shelves = time.time(), DueIndex(), MemoryShelves()
    row = due_row(0, now, "lifecycle")
    keys = [expiry_row(object_key_of(number)).encode() for number in range(rows)]
    before = rss_bytes()
    for partition in range(PARTITIONS):
        index.own(partition, shelves.open("due", partition, now))
    for number, key in enumerate(keys):
        later = msgspec.structs.replace(row, due_at=now + 604_800 * number / rows)
        index.put(partition_of(number, PARTITIONS), key, later)
    return (rss_bytes() - before) / len(index)


def beside_disk(data_dir: str, changelog: str) -> float:
    """Return the bytes a row that it takes to open the databases and to look for what is due."""
    before, now, index = rss_bytes(), time.time(), DueIndex()
    shelves = RocksShelves(data_dir)
    opened = [shelves.open(changelog, partition, now, index.time_of) for partition in range(PARTITIONS)]
    for partition, shelf in enumerate(opened):
        index.own(partition, shelf)
    index.due(now, LOOKED_AT_ROWS)
    bytes_per_row = (rss_bytes() - before) / len(index)
    for shelf in opened:
        shelf.close()
    return bytes_per_row


if __name__ == "__main__":
    print(beside_disk(*sys.argv[1:]) if len(sys.argv) > 2 else beside_memory(int(sys.argv[1])))
