"""One contract for the places where rows lie: memory, and RocksDB, which is also continued after a restart."""

import asyncio
import logging
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule, run_state_machine_as_test

from agents.tables.due_index import DueIndex
from agents.tables.rocksdb import RocksShelves
from agents.tables.shelves import Reach
from stream.messages import encode
from stream.settings import WrongSettingError
from stream.topics import CHANGELOG_TOMBSTONE_SECONDS
from tests.agents.changelogs import PARTITIONS, Changelog, make_rows
from tests.agents.tables.stores import KINDS, NEW, MakeShelves, TimedRow, in_memory

KEYS = st.sampled_from(["a", "b", "ü/2", ""])
ROWS = st.builds(TimedRow, due_at=st.floats(0.0, 100.0), text=st.text(max_size=5))
PARTITION, OWNED = st.integers(0, PARTITIONS - 1), st.sets(st.integers(0, PARTITIONS - 1))


@pytest.fixture
def disk(tmp_path: Path) -> Iterator[RocksShelves]:
    shelves = RocksShelves(str(tmp_path / "data"))
    yield shelves
    shelves.close()


@KINDS
def test_a_new_shelf_is_empty_and_reaches_nowhere(make_shelves: MakeShelves, tmp_path: Path) -> None:
    shelf = make_shelves(tmp_path).open("changelog", 3, now=7.0)
    assert list(shelf.items()) == []
    assert shelf.reach == (-1, 7.0)
    assert shelf.get(b"k") is None


@KINDS
def test_changes_apply_in_their_order_with_their_reach(make_shelves: MakeShelves, tmp_path: Path) -> None:
    shelf = make_shelves(tmp_path).open("changelog", 0, now=0.0)
    shelf.write([(b"a", b"1"), (b"a", None), (b"b", b"1"), (b"b", b"2"), (b"", b"\x00"), (b"c", None)], Reach(5, 9.0))
    assert sorted(shelf.items()) == [(b"", b"\x00"), (b"b", b"2")]
    assert shelf.get(b"") == b"\x00"
    assert shelf.reach == (5, 9.0)


@KINDS
def test_rows_may_be_written_while_they_are_looked_through(make_shelves: MakeShelves, tmp_path: Path) -> None:
    shelf = make_shelves(tmp_path).open("changelog", 0, now=0.0)
    shelf.write([(b"%d" % number, b"v") for number in range(9)], NEW)
    for key, _ in iter(shelf.items()):
        shelf.write([(key, None), (b"new" + key, b"v")], NEW)
    assert sorted(key for key, _ in shelf.items()) == [b"new%d" % number for number in range(9)]


@KINDS
def test_a_cleared_shelf_is_empty_and_can_be_filled_again(make_shelves: MakeShelves, tmp_path: Path) -> None:
    shelf = make_shelves(tmp_path).open("changelog", 0, now=0.0)
    shelf.write([(b"", b"v"), (b"\xff" * 9, b"v")], Reach(5, 9.0))
    shelf.clear(Reach(-1, 10.0))
    assert list(shelf.items()) == []
    shelf.write([(b"k", b"v")], Reach(0, 11.0))
    assert list(shelf.items()) == [(b"k", b"v")]
    assert shelf.reach == (0, 11.0)


@KINDS
def test_partitions_and_tables_have_shelves_of_their_own(make_shelves: MakeShelves, tmp_path: Path) -> None:
    shelves = make_shelves(tmp_path)
    places = [("links", 0), ("links", 1), ("due", 0)]
    opened = [shelves.open(changelog, partition, now=0.0) for changelog, partition in places]
    for number, shelf in enumerate(opened):
        shelf.write([(b"k", b"%d" % number)], NEW)
    assert [shelf.get(b"k") for shelf in opened] == [b"0", b"1", b"2"]


# RocksDB alone: it outlives its process.


def test_a_database_is_continued_with_its_reach(disk: RocksShelves) -> None:
    shelf = disk.open("changelog", 0, now=0.0)
    shelf.write([(b"k", b"v")], Reach(5, 9.0))
    shelf.close()
    again = disk.open("changelog", 0, now=50.0)
    assert again.get(b"k") == b"v"
    assert again.reach == (5, 9.0)


def a_database_with_rows(disk: RocksShelves, folder: Path) -> Path:
    shelf = disk.open("changelog", 0, now=0.0)
    shelf.write([(b"%d" % number, b"v" * 100) for number in range(2000)], Reach(5, 9.0))
    shelf.close()
    return folder / "data" / "changelog" / "0"


@pytest.mark.parametrize("spoil", ["CURRENT", "MANIFEST-*"])
def test_a_corrupt_database_is_wiped_with_a_log_line(
    spoil: str, disk: RocksShelves, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    (file,) = a_database_with_rows(disk, tmp_path).glob(spoil)
    file.write_bytes(b"\x55" * 100)
    with caplog.at_level(logging.WARNING):
        shelf = disk.open("changelog", 0, now=50.0)
    assert list(shelf.items()) == []
    assert shelf.reach == (-1, 50.0)
    assert [record.message for record in caplog.records] == ["rows.wiped"]


def test_a_block_that_cannot_be_read_fails_the_scan_and_wipes_the_database_at_its_next_opening(
    disk: RocksShelves, tmp_path: Path
) -> None:
    (file,) = a_database_with_rows(disk, tmp_path).glob("*.sst")
    content = bytearray(file.read_bytes())
    middle = len(content) // 2
    content[middle : middle + 100] = b"\x55" * 100
    file.write_bytes(content)
    shelf = disk.open("changelog", 0, now=50.0)
    with pytest.raises(Exception, match="Corruption"):
        list(shelf.items())
    shelf.close()
    assert disk.open("changelog", 0, now=60.0).reach == (-1, 60.0)


def test_a_database_of_another_partition_is_wiped(
    disk: RocksShelves, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    path = a_database_with_rows(disk, tmp_path)
    shutil.copytree(path, path.parent / "7")
    assert disk.open("changelog", 7, now=50.0).reach == (-1, 50.0)
    assert getattr(caplog.records[0], "reason") == "it is partition 0 of changelog in format 2"  # noqa: B009 - an extra


def test_a_folder_that_is_no_database_of_ours_is_wiped(disk: RocksShelves, tmp_path: Path) -> None:
    import rocksdict  # noqa: PLC0415 - an extra

    path = tmp_path / "data" / "changelog" / "0"
    path.mkdir(parents=True)
    database = rocksdict.Rdict(str(path), rocksdict.Options(raw_mode=True))
    database.put(b"\x01k", b"v")
    database.close()
    assert list(disk.open("changelog", 0, now=50.0).items()) == []


def test_two_workers_on_one_folder_are_told_which_setting_to_change(disk: RocksShelves, tmp_path: Path) -> None:
    del disk
    with pytest.raises(WrongSettingError, match=r"WORKER_DATA_DIR=.*: a folder of its own for each worker"):
        RocksShelves(str(tmp_path / "data"))


def test_a_folder_is_free_again_when_its_worker_was_killed(tmp_path: Path) -> None:
    program = f"""
import os
from agents.tables.due_index import DueIndex
from agents.tables.rocksdb import RocksShelves
from agents.tables.shelves import Reach
shelf = RocksShelves({str(tmp_path)!r}).open("changelog", 0, 0.0)
shelf.write([(b"k", b"v")], Reach(5, 9.0))
os.kill(os.getpid(), 9)
"""
    killed = subprocess.run([sys.executable, "-c", program], check=False, cwd=Path(__file__).parents[2])
    assert killed.returncode == -9
    shelves = RocksShelves(str(tmp_path))
    shelf = shelves.open("changelog", 0, now=50.0)
    assert list(shelf.items()) == [(b"k", b"v")]
    assert shelf.reach == (5, 9.0)
    shelves.close()


def test_a_folder_that_cannot_be_made_is_named(tmp_path: Path) -> None:
    (tmp_path / "file").write_bytes(b"")
    with pytest.raises(WrongSettingError, match="WORKER_DATA_DIR"):
        RocksShelves(str(tmp_path / "file" / "data"))


def test_a_missing_extra_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "rocksdict", None)
    with pytest.raises(WrongSettingError, match="WORKER_TABLE_STORE='rocksdb' is wrong: memory, or rocksdb once"):
        RocksShelves(str(tmp_path))


class RowsAgainstTheirChangelog(RuleBasedStateMachine):
    """Whatever happens to a worker, once it has read back it holds what its changelog says, and nothing else."""

    make_shelves: MakeShelves

    def __init__(self) -> None:
        super().__init__()
        self.loop = asyncio.new_event_loop()
        self.home = Path(tempfile.mkdtemp(prefix="rows-"))
        self.now = 1_000_000.0
        self.log = Changelog()
        self.said: dict[tuple[int, str], TimedRow] = {}
        self.live()

    def live(self) -> None:
        self.shelves = type(self).make_shelves(self.home)
        self.index = DueIndex()
        self.rows = make_rows(self.log, TimedRow, self.index, shelves=self.shelves, clock=lambda: self.now)
        self.assign(set(range(PARTITIONS)))

    def assign(self, partitions: set[int]) -> None:
        self.owned = partitions
        self.rows.own(partitions)
        self.log.replay_into(self.rows)

    def say(self, partition: int, key: str, row: TimedRow | None) -> None:
        if row is None:
            self.said.pop((partition, key), None)
        else:
            self.said[partition, key] = row

    @rule(partition=PARTITION, key=KEYS, row=ROWS)
    def put(self, partition: int, key: str, row: TimedRow) -> None:
        if partition in self.owned:
            self.loop.run_until_complete(self.rows.put(partition, key, row))
            self.say(partition, key, row)

    @rule(partition=PARTITION, key=KEYS)
    def delete(self, partition: int, key: str) -> None:
        if partition in self.owned:
            self.loop.run_until_complete(self.rows.delete(partition, key))
            self.say(partition, key, None)

    @rule(partition=PARTITION, key=KEYS, row=ROWS | st.none())
    def another_worker_writes(self, partition: int, key: str, row: TimedRow | None) -> None:
        if partition not in self.owned:
            self.log.add(partition, key.encode(), None if row is None else encode(row))
            self.say(partition, key, row)

    @rule(partition=PARTITION, key=st.sampled_from([b"junk", b"\xff", None]))
    def somebody_writes_junk(self, partition: int, key: bytes | None) -> None:
        self.log.add(partition, key, b"junk")

    @rule(partitions=OWNED)
    def rebalance(self, partitions: set[int]) -> None:
        self.assign(partitions)

    @rule(partitions=OWNED, read=st.integers(0, 8), then=OWNED)
    def rebalance_while_reading_back(self, partitions: set[int], read: int, then: set[int]) -> None:
        self.rows.own(partitions)
        reach = {partition: self.rows.reach(partition) for partition in partitions}
        lacking = [record for record in self.log.records if record.offset > (reach.get(record.partition) or -1)]
        self.rows.apply([record for record in lacking if record.partition in partitions][:read])
        self.assign(then)

    @rule()
    def restart(self) -> None:
        self.rows.close()
        self.shelves.close()
        self.live()

    @rule(partition=PARTITION, key=KEYS, row=ROWS)
    def end_before_a_write_is_acknowledged(self, partition: int, key: str, row: TimedRow) -> None:
        if partition in self.owned:
            self.log.add(partition, key.encode(), encode(row))
            self.say(partition, key, row)
        self.restart()

    @rule()
    def compact(self) -> None:
        self.log.compact(tombstones=False)

    @rule(days=st.integers(1, 3))
    def days_pass(self, days: int) -> None:
        self.now += days * CHANGELOG_TOMBSTONE_SECONDS
        self.log.compact(tombstones=True)

    @invariant()
    def holds_what_its_changelog_says(self) -> None:
        held = {(number, key): row for number in range(PARTITIONS) for key, row in self.rows.items(number)}
        assert held == {place: row for place, row in self.said.items() if place[0] in self.owned}
        assert len(self.index) == len(held)

    @rule(now=st.floats(0.0, 100.0))
    def names_what_is_due(self, now: float) -> None:
        named = set(self.index.due(now, len(self.said) + 1))
        owned = {place: row for place, row in self.said.items() if place[0] in self.owned}
        assert {place for place, row in owned.items() if row.due_at <= now} <= named <= owned.keys()

    def teardown(self) -> None:
        self.names_what_is_due(100.0)
        self.rows.close()
        self.shelves.close()
        self.loop.close()
        shutil.rmtree(self.home)


@KINDS
def test_rows_hold_what_their_changelog_says(make_shelves: MakeShelves) -> None:
    machine = type("Machine", (RowsAgainstTheirChangelog,), {"make_shelves": staticmethod(make_shelves)})
    examples = 80 if make_shelves is in_memory else 5
    run_state_machine_as_test(machine, settings=settings(max_examples=examples, stateful_step_count=20, deadline=None))
