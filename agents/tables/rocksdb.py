"""Shelves in RocksDB: one database a partition under WORKER_DATA_DIR, continued after a restart.

A database that is corrupt, or that is of another table or format, is wiped: the changelog has every row. Writes are
not flushed to the disk one by one. A killed process loses nothing by that; after a power cut the database is as it
was a moment before, reach included, and recovery reads the rest.
"""

import fcntl
import logging
import os
import shutil
from collections.abc import Callable, Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any, Final, TypeVar

import msgspec

from agents.tables.shelves import NOWHERE, Change, Reach
from agents.tables.times import TimeOf, Times
from agents.tables.times_on_disk import TimesOnDisk, entry_of
from stream.variables import wrong

logger = logging.getLogger(__name__)

AnswerT = TypeVar("AnswerT")

FORMAT: Final = 2
"""To be raised with what the bytes mean, and with what tells when a row is due."""
ABOUT: Final = b"\x00"  # the one key that is no row's
ROW: Final = b"\x01"  # before every row's key
ENTRY: Final = b"\x02"  # before every entry of the index by time
AFTER: Final = b"\x03"
SPOILT: Final = "SPOILT"
"""A file beside the database: a read failed, so the next opening wipes it."""
CACHE_BYTES: Final = 32 * 1024 * 1024
"""Block cache and write buffers of all partitions together."""
WRITE_BUFFER_BYTES: Final = 4 * 1024 * 1024
OPEN_FILES: Final = 32  # a database
BLOOM_BITS: Final = 10.0  # about 1 % of the look-ups of keys that are not there read a block in vain


class About(msgspec.Struct, frozen=True, kw_only=True):
    """What a database says of itself."""

    format: int = FORMAT
    changelog: str
    partition: int
    reach: Reach
    rows: int | None = None
    """How many rows there are, where they are to be found by time."""


class RocksShelves:
    """The databases under one folder, which no other process may use meanwhile.

    Raises:
        WrongSettingError: WORKER_DATA_DIR is in use or cannot be written to, or the extra is not installed.
    """

    def __init__(self, folder: str) -> None:
        self._rocks = _rocksdict()
        self._folder = Path(folder)
        self._lock = _locked(self._folder)
        self._cache = self._rocks.Cache(CACHE_BYTES)
        self._buffers = self._rocks.WriteBufferManager.new_write_buffer_manager_with_cache(
            CACHE_BYTES // 2,
            False,  # noqa: FBT003 - rocksdict takes no keywords; writers are not to wait when it is exceeded
            self._cache,
        )

    def open(self, changelog: str, partition: int, now: float, time_of: TimeOf | None = None) -> "RocksShelf":
        """Return the shelf of a partition as it was left; wipe it first when it cannot be continued.

        Raises:
            WrongSettingError: Another process has the database open.
        """
        path = self._folder / changelog / str(partition)
        rows = None if time_of is None else 0
        about = About(changelog=changelog, partition=partition, reach=Reach(NOWHERE, now), rows=rows)
        if path.exists():
            try:
                return self._continued(path, about, time_of)
            except _UnusableError as error:
                logger.warning("rows.wiped", extra={"path": str(path), "reason": str(error)})
                shutil.rmtree(path)
        path.mkdir(parents=True)
        shelf = RocksShelf(self._database(path), self._rocks, path, about, time_of)
        shelf.write((), about.reach)
        return shelf

    def close(self) -> None:
        """Let another process have the folder."""
        os.close(self._lock)

    def _continued(self, path: Path, wanted: About, time_of: TimeOf | None) -> "RocksShelf":
        if (path / SPOILT).exists():
            raise _UnusableError("a block could not be read")
        try:
            database = self._database(path)
        except Exception as error:
            if "lock hold" in str(error) or "While lock file" in str(error):
                raise _in_use(self._folder) from error
            raise _UnusableError(str(error)) from error  # rocksdict raises nothing more precise
        try:
            about = _about(database.get(ABOUT), wanted)
        except BaseException:
            database.close()
            raise
        return RocksShelf(database, self._rocks, path, about, time_of)

    def _database(self, path: Path) -> Any:
        rocks = self._rocks
        table = rocks.BlockBasedOptions()
        table.set_block_cache(self._cache)
        table.set_bloom_filter(BLOOM_BITS, False)  # noqa: FBT003 - rocksdict's signature: not block by block
        options = rocks.Options(raw_mode=True)
        options.create_if_missing(True)  # noqa: FBT003 - rocksdict's signature
        options.set_block_based_table_factory(table)
        options.set_write_buffer_manager(self._buffers)
        options.set_write_buffer_size(WRITE_BUFFER_BYTES)
        options.set_max_open_files(OPEN_FILES)
        options.set_keep_log_file_num(1)
        return rocks.Rdict(str(path), options)


class RocksShelf:
    """Rows in one database."""

    def __init__(self, database: Any, rocks: Any, path: Path, about: About, time_of: TimeOf | None) -> None:
        self._database = database
        self._rocks = rocks
        self._path = path
        self._about = about
        self._time_of = time_of

    @property
    def reach(self) -> Reach:
        """Return how far the rows follow their changelog."""
        return self._about.reach

    def get(self, key: bytes) -> bytes | None:
        """Return a row."""
        value: bytes | None = self._reading(lambda: self._database.get(ROW + key))
        return value

    def count(self) -> int:
        """Return how many rows there are.

        Where they have no times it is RocksDB's estimate: what was written again counts once more until compacted.
        """
        if self._about.rows is not None:
            return self._about.rows
        return int(self._database.property_int_value("rocksdb.estimate-num-keys") or 0)

    def items(self) -> Iterator[tuple[bytes, bytes]]:
        """Yield every row as it was when the first was asked for."""
        for cursor in self._between(ROW, ENTRY):
            yield cursor.key()[len(ROW) :], cursor.value()

    def keys(self, prefix: bytes) -> Iterator[list[bytes]]:
        """Yield the keys that begin so, all at once: they lie side by side."""
        first = ROW + prefix
        yield [cursor.key()[len(ROW) :] for cursor in self._between(first, _after(first))]

    def entries(self, first: bytes, end: bytes) -> Iterator[bytes]:
        """Yield the entries of the index by time from `first` on that lie before `end`, in their order."""
        for cursor in self._between(ENTRY + first, ENTRY + end):
            yield cursor.key()[len(ENTRY) :]

    def times(self, partition: int) -> Times:
        """Return when the rows are due, as their entries say."""
        return TimesOnDisk(partition, self)

    def write(self, changes: Iterable[Change], reach: Reach) -> None:
        """Apply changes in their order and note the reach, all or nothing."""
        batch = self._rocks.WriteBatch(raw_mode=True)
        last, rows = dict(changes), self._about.rows
        if self._time_of is not None and rows is not None:
            rows += self._note_times(batch, last, self._time_of)
        for key, value in last.items():
            if value is None:
                batch.delete(ROW + key)
            else:
                batch.put(ROW + key, value)
        self._write(batch, reach, rows)

    def clear(self, reach: Reach) -> None:
        """Drop every row."""
        batch = self._rocks.WriteBatch(raw_mode=True)
        batch.delete_range(ROW, AFTER)
        self._write(batch, reach, None if self._about.rows is None else 0)

    def close(self) -> None:
        """Close the database, to be continued when the partition comes back."""
        self._database.close()

    def _between(self, first: bytes, end: bytes) -> Iterator[Any]:
        bounds = self._rocks.ReadOptions()
        bounds.set_iterate_upper_bound(end)
        cursor = self._reading(lambda: self._database.iter(bounds))
        cursor.seek(first)
        while cursor.valid():
            yield cursor
            cursor.next()
        self._reading(cursor.status)  # a block that cannot be read ends the iteration, and tells only here

    def _note_times(self, batch: Any, changes: Mapping[bytes, bytes | None], time_of: TimeOf) -> int:
        """Let the entry of each row be where its value says; return by how much there are more rows."""
        rows = 0
        before = self._reading(lambda: self._database.get([ROW + key for key in changes]))
        for (key, value), value_before in zip(changes.items(), before, strict=True):
            old = None if value_before is None else ENTRY + entry_of(time_of(value_before), key)
            new = None if value is None else ENTRY + entry_of(time_of(value), key)
            rows += (new is not None) - (old is not None)
            if old is not None and old != new:
                batch.delete(old)
            if new is not None and old != new:
                batch.put(new, b"")
        return rows

    def _write(self, batch: Any, reach: Reach, rows: int | None) -> None:
        about = msgspec.structs.replace(self._about, reach=reach, rows=rows)
        batch.put(ABOUT, msgspec.json.encode(about))
        self._reading(lambda: self._database.write(batch))
        self._about = about

    def _reading(self, read: Callable[[], AnswerT]) -> AnswerT:
        try:
            return read()
        except Exception:
            # The process ends by this; without the mark it would continue the same database and end again.
            (self._path / SPOILT).touch()
            raise


def _after(prefix: bytes) -> bytes:
    """Return what lies behind everything that begins so: no look goes on over rows that were deleted from there on."""
    kept = prefix.rstrip(b"\xff")
    return kept[:-1] + bytes([kept[-1] + 1])


class _UnusableError(Exception):
    """A database cannot be continued."""


def _about(found: bytes | None, wanted: About) -> About:
    try:
        about = msgspec.json.decode(found or b"", type=About)
    except msgspec.DecodeError as error:
        raise _UnusableError("it is no table of this program") from error
    if (about.format, about.changelog, about.partition) != (wanted.format, wanted.changelog, wanted.partition):
        raise _UnusableError(f"it is partition {about.partition} of {about.changelog} in format {about.format}")
    if (about.rows is None) != (wanted.rows is None):
        raise _UnusableError("its rows are indexed by time, or should be")
    return about


def _in_use(folder: Path) -> Exception:
    return wrong("WORKER_DATA_DIR", str(folder), "a folder of its own for each worker; this one is in use")


def _locked(folder: Path) -> int:
    try:
        folder.mkdir(parents=True, exist_ok=True)
        descriptor = os.open(folder / "LOCK", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC)
    except OSError as error:
        raise wrong("WORKER_DATA_DIR", str(folder), f"a folder that can be written to: {error}") from error
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError as error:
        os.close(descriptor)
        raise _in_use(folder) from error
    return descriptor


def _rocksdict() -> Any:
    try:
        import rocksdict  # noqa: PLC0415 - an extra: workers whose rows are in memory need not have it
    except ImportError as error:
        allowed = "memory, or rocksdb once the package's extra of that name is installed"
        raise wrong("WORKER_TABLE_STORE", "rocksdb", allowed) from error
    return rocksdict
