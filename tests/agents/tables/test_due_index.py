"""One contract for both indexes by time: in memory, and beside the rows in RocksDB."""

import shutil
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule, run_state_machine_as_test

from agents.tables.due_index import SORTED_ROWS
from agents.tables.times import CHUNK_ROWS, SLOT_SECONDS, STALE_MOST, TimesInMemory
from tests.agents.tables.stores import KINDS, Indexed, MakeShelves, in_memory, on_disk

ALL = 1_000_000
KEYS = st.sampled_from([b"k%d" % number for number in range(6)])
PARTITIONS = st.integers(0, 2)
TIMES = st.one_of(st.floats(0, 10 * SLOT_SECONDS), st.integers(0, 10).map(lambda number: number * SLOT_SECONDS))
MakeIndexed = Callable[..., Indexed]


@pytest.fixture(params=[in_memory, on_disk])
def make_indexed(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[MakeIndexed]:
    made: list[Indexed] = []

    def make(partitions: int = 1) -> Indexed:
        made.append(Indexed(request.param(tmp_path), partitions))
        return made[-1]

    yield make
    for indexed in made:
        indexed.close()


class IndexAgainstAList(RuleBasedStateMachine):
    """The index names the same rows as a full scan would, whatever was put, put off, removed and left before."""

    make_shelves: MakeShelves

    def __init__(self) -> None:
        super().__init__()
        self.home = Path(tempfile.mkdtemp(prefix="times-"))
        self.indexed = Indexed(type(self).make_shelves(self.home), partitions=3)
        self.index = self.indexed.index
        self.rows: dict[tuple[int, bytes], float] = {}
        self.put_off: dict[tuple[int, bytes], float] = {}
        self.named: set[tuple[int, bytes]] = set()

    def forget(self, *places: tuple[int, bytes]) -> None:
        for place in places:
            self.put_off.pop(place, None)
            self.named.discard(place)

    @rule(partition=PARTITIONS, key=KEYS, due_at=TIMES)
    def put(self, partition: int, key: bytes, due_at: float) -> None:
        self.indexed.put(partition, key, due_at)
        self.rows[partition, key] = due_at
        self.forget((partition, key))

    @rule(partition=PARTITIONS, key=KEYS)
    def remove(self, partition: int, key: bytes) -> None:
        self.indexed.remove(partition, key)
        self.rows.pop((partition, key), None)
        self.forget((partition, key))

    @rule(partition=PARTITIONS)
    def leave_and_come_back(self, partition: int) -> None:
        self.indexed.own(partition)
        of_it = [place for place in self.rows if place[0] == partition]
        self.forget(*of_it)
        if type(self).make_shelves is in_memory:
            self.rows = {place: due_at for place, due_at in self.rows.items() if place[0] != partition}

    @rule(partition=PARTITIONS)
    def clear(self, partition: int) -> None:
        self.indexed.clear(partition)
        of_it = [place for place in self.rows if place[0] == partition]
        self.forget(*of_it)
        self.rows = {place: due_at for place, due_at in self.rows.items() if place[0] != partition}

    @precondition(lambda self: self.named)
    @rule(data=st.data(), until=TIMES)
    def put_one_off(self, data: st.DataObject, until: float) -> None:
        place = data.draw(st.sampled_from(sorted(self.named)))
        self.index.put_off(*place, until)
        self.forget(place)
        self.put_off[place] = until

    @rule(now=TIMES, but=st.sets(st.tuples(PARTITIONS, KEYS)))
    def look(self, now: float, but: set[tuple[int, bytes]]) -> None:
        named = self.index.due(now, ALL, but={(partition, key.decode()) for partition, key in but})
        assert len(named) == len(set(named))
        # Once a row was named it is named until it is removed or put off, also by a clock that has gone back.
        due = {place for place, due_at in self.rows.items() if self.put_off.get(place, due_at) <= now} | self.named
        assert {(partition, key.encode()) for partition, key in named} == due - but
        self.named = due

    @precondition(lambda self: self.rows)
    @rule()
    def look_for_the_oldest(self) -> None:
        self.index.due(20 * SLOT_SECONDS, 0)  # all slots have begun
        oldest = self.index.oldest()
        assert oldest is not None
        assert oldest in {**self.rows, **self.put_off}.values()

    @precondition(lambda self: self.rows)
    @rule()
    def look_at_one(self) -> None:
        ((partition, key),) = self.index.due(20 * SLOT_SECONDS, 1)
        assert (partition, key.encode()) in self.rows
        self.named.add((partition, key.encode()))

    @invariant()
    def counts(self) -> None:
        assert len(self.index) == len(self.rows)

    def teardown(self) -> None:
        self.indexed.close()
        shutil.rmtree(self.home)


@KINDS
def test_the_index_names_what_a_scan_would(make_shelves: MakeShelves) -> None:
    machine = type("Machine", (IndexAgainstAList,), {"make_shelves": staticmethod(make_shelves)})
    examples = 100 if make_shelves is in_memory else 30
    run_state_machine_as_test(machine, settings=settings(max_examples=examples, stateful_step_count=40, deadline=None))


@given(st.lists(st.tuples(TIMES, st.booleans()), max_size=30))
def test_looking_often_never_forgets_a_row(steps: list[tuple[float, bool]]) -> None:
    indexed = Indexed(in_memory(Path()))
    for number, (due_at, look) in enumerate(steps):
        indexed.put(0, b"%d" % number, due_at)
        if look:
            indexed.index.due(due_at, 1)
    assert {key for _, key in indexed.index.due(20 * SLOT_SECONDS, ALL)} == {str(n) for n in range(len(steps))}


def test_rows_that_are_due_in_the_future_are_not_named(make_indexed: MakeIndexed) -> None:
    indexed = make_indexed()
    indexed.put(0, b"late", 10.0)
    indexed.put(0, b"soon", 10.1)
    assert indexed.index.due(10.0, ALL) == [(0, "late")]


def test_a_row_of_before_the_epoch_is_due(make_indexed: MakeIndexed) -> None:
    indexed = make_indexed()
    indexed.put(0, b"before", -5.0)
    assert indexed.index.due(10.0, ALL) == [(0, "before")]
    indexed.remove(0, b"before")
    indexed.put(0, b"now", 1.0)
    assert indexed.index.due(10.0, ALL) == [(0, "now")]


def test_a_row_that_is_written_anew_is_named_at_its_new_time_alone(make_indexed: MakeIndexed) -> None:
    indexed = make_indexed()
    indexed.put(0, b"k", 1.0)
    assert indexed.index.due(5.0, ALL) == [(0, "k")]
    indexed.put(0, b"k", 60.0)
    assert indexed.index.due(59.0, ALL) == []
    assert indexed.index.due(60.0, ALL) == [(0, "k")]


def test_a_row_that_is_put_off_is_named_later_than_it_says_until_it_is_written_anew(make_indexed: MakeIndexed) -> None:
    indexed = make_indexed()
    indexed.put(0, b"k", 1.0)
    assert indexed.index.due(5.0, ALL) == [(0, "k")]
    indexed.index.put_off(0, b"k", 3605.0)
    assert indexed.index.due(3604.0, ALL) == []
    assert indexed.index.due(3605.0, ALL) == [(0, "k")]
    indexed.index.put_off(0, b"k", 9000.0)
    indexed.put(0, b"k", 4000.0)
    assert indexed.index.due(4000.0, ALL) == [(0, "k")]


def test_what_is_not_there_cannot_be_put_off(make_indexed: MakeIndexed) -> None:
    indexed = make_indexed()
    indexed.put(0, b"k", 1.0)
    indexed.index.due(5.0, ALL)
    indexed.remove(0, b"k")
    indexed.index.put_off(0, b"k", 10.0)
    indexed.index.put_off(7, b"k", 10.0)  # a partition that has moved away
    assert indexed.index.due(20.0, ALL) == []


def test_a_row_that_is_put_elsewhere_within_its_quarter_of_an_hour_is_named_at_its_last_time_alone(
    make_indexed: MakeIndexed,
) -> None:
    indexed, begins_at = make_indexed(), 10 * SLOT_SECONDS
    for key, first, last in ((b"put off", 1.0, 5.0), (b"put forward", 9.0, 2.0)):
        indexed.put(0, key, begins_at + first)
        indexed.put(0, key, begins_at + last)
    assert indexed.index.due(begins_at + 1.0, ALL) == []
    assert indexed.index.due(begins_at + 2.0, ALL) == [(0, "put forward")]
    assert indexed.index.due(begins_at + 5.0, ALL) == [(0, "put forward"), (0, "put off")]


def test_many_rows_of_one_second_hold_up_no_look_and_are_all_named(make_indexed: MakeIndexed) -> None:
    indexed, due_at = make_indexed(), 10 * SLOT_SECONDS
    indexed.put_all(0, [b"%d" % number for number in range(3 * SORTED_ROWS)], due_at)
    for look in range(4):
        assert indexed.index.due(due_at - SLOT_SECONDS + look, ALL) == []
    first = indexed.index.due(due_at, 1000)
    assert len(first) == 1000
    rest = indexed.index.due(due_at, ALL, but=set(first))
    assert len({*first, *rest}) == 3 * SORTED_ROWS


def test_what_hangs_in_one_partition_does_not_stand_before_another(make_indexed: MakeIndexed) -> None:
    indexed = make_indexed(2)
    for number in range(10):
        indexed.put(0, b"%d" % number, 1.0)
    indexed.put(1, b"other", 2.0)
    hanging = {(0, str(number)) for number in range(10)}
    assert indexed.index.due(5.0, 1, but=hanging) == [(1, "other")]
    assert indexed.index.due(5.0, 1, but=hanging) == [(1, "other")]


def test_no_partition_comes_first_every_time(make_indexed: MakeIndexed) -> None:
    indexed = make_indexed(2)
    for partition in range(2):
        for number in range(5):
            indexed.put(partition, b"%d" % number, 1.0)
    assert {indexed.index.due(5.0, 1)[0][0] for _ in range(2)} == {0, 1}


def test_the_oldest_row_is_known_without_another_look(make_indexed: MakeIndexed) -> None:
    indexed = make_indexed(2)
    assert indexed.index.oldest() is None
    indexed.index.due(1000.0, ALL)
    indexed.put(1, b"late", 990.0)
    indexed.put(0, b"later", 980.0)
    assert indexed.index.oldest() == 980.0
    indexed.index.due(1000.0, 0)
    assert indexed.index.oldest() == 980.0


def test_rows_in_memory_that_are_written_again_and_again_leave_few_traces() -> None:
    times, rows = TimesInMemory(0), CHUNK_ROWS + 10
    for again in range(7):
        for number in range(rows):
            times.put(b"%d" % number, SLOT_SECONDS * (10 + again % 2))
    kept = sum(len(chunk.keys) for chunks in times._slots.values() for chunk in chunks)
    assert kept <= 2 * rows + 8 * STALE_MOST
    assert len(times) == rows
    times.sort(20 * SLOT_SECONDS, ALL)
    assert len(times.due(20 * SLOT_SECONDS, ALL, ())) == rows


# On disk alone: the index outlives its process.


def test_what_is_due_is_known_after_a_restart_also_what_was_put_off(tmp_path: Path) -> None:
    indexed = Indexed(on_disk(tmp_path))
    for number in range(5):
        indexed.put(0, b"%d" % number, float(number))
    indexed.index.due(2.0, ALL)
    indexed.index.put_off(0, b"1", 3600.0)
    indexed.remove(0, b"0")
    indexed.close()
    again = Indexed(on_disk(tmp_path))
    assert len(again.index) == 4
    assert again.index.due(3.0, ALL) == [(0, "1"), (0, "2"), (0, "3")]
    again.close()


def test_rows_written_twice_count_once(tmp_path: Path) -> None:
    indexed = Indexed(on_disk(tmp_path))
    indexed.put_all(0, [b"a", b"b", b"a"], 5.0)
    indexed.put(0, b"a", 7.0)
    indexed.remove(0, b"c")
    assert len(indexed.index) == indexed.rows(0) == 2
    assert indexed.index.due(6.0, ALL) == [(0, "b")]
    indexed.close()
