import asyncio
from collections.abc import Iterator
from typing import Any

from hypothesis import given
from hypothesis import strategies as st
from msgspec import Struct

from agents.kafka.recovery import Recovered
from agents.tables.rows import CONTINUED_SECONDS, Rows
from agents.tables.shelves import Change, MemoryShelf, MemoryShelves, Reach, Shelf
from agents.tables.times import TimeOf
from tests.agents.changelogs import PARTITIONS, Changelog, make_rows


class Row(Struct, frozen=True):
    text: str


class Seen:
    """An observer that holds what it was told."""

    def __init__(self) -> None:
        self.rows: dict[tuple[int, str], str] = {}

    time_of = None

    def own(self, partition: int, _: Shelf) -> None:
        self.drop(partition)

    def put(self, partition: int, key: bytes, row: Row) -> None:
        self.rows[partition, key.decode()] = row.text

    def remove(self, partition: int, key: bytes) -> None:
        self.rows.pop((partition, key.decode()), None)

    def drop(self, partition: int) -> None:
        self.rows = {place: text for place, text in self.rows.items() if place[0] != partition}


def contents(rows: Rows[Row]) -> dict[tuple[int, str], str]:
    return {(partition, key): row.text for partition in range(PARTITIONS) for key, row in rows.items(partition)}


class Slow(Changelog):
    """Acknowledges when it is told to."""

    def __init__(self) -> None:
        super().__init__()
        self.acknowledged = asyncio.Event()

    async def __call__(self, topic: str, **record: Any) -> int:
        offset = await super().__call__(topic, **record)
        await self.acknowledged.wait()
        return offset


async def test_a_row_is_there_only_once_its_changelog_record_is_acknowledged() -> None:
    log = Slow()
    rows = make_rows(log, Row)
    write = asyncio.create_task(rows.put(2, "k", Row("v")))
    await asyncio.sleep(0)
    assert rows.get(2, "k") is None
    log.acknowledged.set()
    await write
    assert rows.get(2, "k") == Row("v")


async def test_rows_of_one_key_in_two_partitions_are_two_rows() -> None:
    rows = make_rows(Changelog(), Row)
    await rows.put(0, "k", Row("zero"))
    await rows.put(1, "k", Row("one"))
    assert contents(rows) == {(0, "k"): "zero", (1, "k"): "one"}


async def test_records_that_do_not_decode_are_skipped_and_counted_at_recovery() -> None:
    skipped: list[int] = []
    log = Changelog()
    rows = make_rows(log, Row, skipped=skipped)
    foreign: list[tuple[bytes | None, bytes | None]] = [
        (b"k", b"not json"),
        (b"\xff", b'{"text":"v"}'),
        (b"k", b'{"other":1}'),
        (None, b'{"text":"v"}'),
        (None, None),
    ]
    for key, value in foreign:
        log.add(0, key, value)
    log.add(0, b"k", b'{"text":"ours"}')
    log.replay_into(rows)
    assert contents(rows) == {(0, "k"): "ours"}
    assert len(skipped) == 5
    assert rows.reach(0) == 5


@given(st.binary(max_size=40) | st.none(), st.binary(max_size=80) | st.none())
def test_no_changelog_record_stops_recovery(key: bytes | None, value: bytes | None) -> None:
    rows = make_rows(Changelog(), Row)
    rows.apply([Recovered(0, 0, key, value)])
    assert rows.reach(0) == 0


async def test_partitions_that_moved_away_leave_nothing_behind() -> None:
    seen = Seen()
    rows = make_rows(Changelog(), Row, seen)
    for partition in range(3):
        await rows.put(partition, "k", Row("v"))
    rows.own({1})
    assert contents(rows) == seen.rows == {(1, "k"): "v"}
    assert rows.reach(0) is None


async def test_what_was_read_of_a_partition_that_moved_away_is_not_applied() -> None:
    seen = Seen()
    rows = make_rows(Changelog(), Row, seen)
    rows.own({1})
    rows.apply([Recovered(0, 7, b"k", b'{"text":"v"}')])
    assert contents(rows) == seen.rows == {}


async def test_a_write_that_is_acknowledged_after_its_partition_moved_away_is_not_ours_any_more() -> None:
    log, seen = Slow(), Seen()
    rows = make_rows(log, Row, seen)
    write = asyncio.create_task(rows.put(0, "k", Row("v")))
    await asyncio.sleep(0)
    rows.own({1, 2, 3})
    log.acknowledged.set()
    await write
    assert contents(rows) == seen.rows == {}


async def test_a_partition_that_stays_is_read_on_from_where_its_rows_reach() -> None:
    log = Changelog()
    rows = make_rows(log, Row)
    log.replay_into(rows)
    for number in range(3):
        await rows.put(0, str(number), Row("v"))
    rows.own(set(range(PARTITIONS)))
    assert rows.reach(0) == 2
    assert len(contents(rows)) == 3


async def test_a_partition_that_comes_back_is_read_anew_from_memory() -> None:
    log = Changelog()
    rows = make_rows(log, Row)
    await rows.put(0, "k", Row("v"))
    rows.own(set())
    rows.own({0})
    assert rows.reach(0) == -1
    log.replay_into(rows)
    assert contents(rows) == {(0, "k"): "v"}


async def test_rows_never_reach_beyond_a_record_that_may_be_of_another_worker() -> None:
    log = Changelog()
    rows = make_rows(log, Row)
    await rows.put(0, "ours", Row("1"))
    log.add(0, b"k", b'{"text":"theirs"}')
    await rows.put(0, "ours", Row("2"))
    assert rows.reach(0) == 0
    log.replay_into(rows)
    assert contents(rows) == {(0, "ours"): "2", (0, "k"): "theirs"}
    assert rows.reach(0) == 2


class SlowByOffset(Changelog):
    """Acknowledges each record when it is told to."""

    def __init__(self) -> None:
        super().__init__()
        self.acknowledged = [asyncio.Event() for _ in range(3)]

    async def __call__(self, topic: str, **record: Any) -> int:
        offset = await super().__call__(topic, **record)
        await self.acknowledged[offset].wait()
        return offset


async def test_acknowledgements_out_of_order_leave_no_gap_below_the_reach() -> None:
    log = SlowByOffset()
    rows = make_rows(log, Row)
    writes = [asyncio.create_task(rows.put(0, str(number), Row("v"))) for number in range(3)]
    await asyncio.sleep(0)
    reached = []
    for number in (2, 0, 1):
        log.acknowledged[number].set()
        await writes[number]
        reached.append(rows.reach(0))
    assert reached == [-1, 0, 2]


async def test_rows_that_were_last_complete_too_long_ago_are_read_anew() -> None:
    now = [1_000_000.0]
    log, seen = Changelog(), Seen()
    rows = make_rows(log, Row, seen, clock=lambda: now[0])
    await rows.put(0, "k", Row("v"))
    log.replay_into(rows)
    now[0] += CONTINUED_SECONDS - 1
    rows.own({0})
    assert rows.reach(0) == 0
    now[0] += 2
    rows.own({0})
    assert rows.reach(0) == -1
    assert contents(rows) == seen.rows == {}


async def test_a_write_keeps_rows_from_growing_too_old() -> None:
    now = [1_000_000.0]
    log = Changelog()
    rows = make_rows(log, Row, clock=lambda: now[0])
    log.replay_into(rows)
    now[0] += CONTINUED_SECONDS - 1
    await rows.put(0, "k", Row("v"))
    now[0] += 2
    rows.own({0, 1})
    assert rows.reach(0) == 0
    assert contents(rows) == {(0, "k"): "v"}


async def test_deleting_only_a_certain_row_leaves_the_one_that_replaced_it() -> None:
    rows = make_rows(Changelog(), Row)
    old, new = Row("old"), Row("new")
    await rows.put(0, "k", old)
    await rows.put(0, "k", new)
    await rows.delete(0, "k", only=old)
    assert rows.get(0, "k") == new
    await rows.delete(0, "k", only=Row("new"))
    assert rows.get(0, "k") is None


class LeftOnDisk(MemoryShelves):
    """Shelves that hold something already, as RocksDB's do after a restart."""

    def __init__(self, changes: list[Change]) -> None:
        self._changes = changes

    def open(self, changelog: str, partition: int, now: float, time_of: TimeOf | None = None) -> MemoryShelf:
        shelf = super().open(changelog, partition, now, time_of)
        if partition == 0:
            shelf.write(self._changes, Reach(4, now))
        return shelf


async def test_a_row_of_another_version_that_was_left_on_disk_is_skipped_and_counted() -> None:
    skipped = list[int]()
    on_disk: list[Change] = [(b"a", b'{"text":"v"}'), (b"of another version", b"{}")]
    rows = make_rows(Changelog(), Row, skipped=skipped, shelves=LeftOnDisk(on_disk))
    assert contents(rows) == {(0, "a"): "v"}
    assert rows.get(0, "of another version") is None
    assert len(skipped) == 2


class Looked(MemoryShelf):
    """Notes how many look through it at once; yields its keys one by one."""

    def __init__(self, reach: Reach) -> None:
        super().__init__(reach)
        self.looking = 0
        self.most = 0

    def keys(self, prefix: bytes) -> Iterator[list[bytes]]:
        self.looking += 1
        self.most = max(self.most, self.looking)
        for some in super().keys(prefix):
            for key in some:
                yield [key]
        self.looking -= 1


class LookedShelves(MemoryShelves):
    def __init__(self) -> None:
        self.opened: dict[int, Looked] = {}

    def open(self, changelog: str, partition: int, now: float, time_of: TimeOf | None = None) -> Looked:
        del changelog, time_of
        return self.opened.setdefault(partition, Looked(Reach(-1, now)))


async def test_rows_are_found_by_what_their_keys_begin_with_by_one_after_another() -> None:
    shelves = LookedShelves()
    rows = make_rows(Changelog(), Row, shelves=shelves)
    for key in ("a/1", "a/2", "b/1"):
        await rows.put(1, key, Row(key))
    found = await asyncio.gather(*(rows.beginning_with(1, "a/") for _ in range(5)))
    assert [sorted(each) for each in found] == [[("a/1", Row("a/1")), ("a/2", Row("a/2"))]] * 5
    assert shelves.opened[1].most == 1
    assert await rows.beginning_with(1, "c/") == await rows.beginning_with(3, "a/") == []
