from dataclasses import dataclass

from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

from agents.tables.due_index import SLOT_SECONDS, SORTED_ROWS, DueIndex

ALL = 1_000_000
KEYS = st.sampled_from([b"k%d" % number for number in range(6)])
PARTITIONS = st.integers(0, 2)
TIMES = st.one_of(st.floats(0, 10 * SLOT_SECONDS), st.integers(0, 10).map(lambda number: number * SLOT_SECONDS))


@dataclass
class Row:
    due_at: float


class IndexAgainstAList(RuleBasedStateMachine):
    """The index names the same rows as a full scan would, whatever was put, removed and dropped before."""

    def __init__(self) -> None:
        super().__init__()
        self.index = DueIndex()
        self.model: dict[tuple[int, bytes], float] = {}

    @rule(partition=PARTITIONS, key=KEYS, due_at=TIMES)
    def put(self, partition: int, key: bytes, due_at: float) -> None:
        self.index.put(partition, key, Row(due_at))
        self.model[partition, key] = due_at

    @rule(partition=PARTITIONS, key=KEYS)
    def remove(self, partition: int, key: bytes) -> None:
        self.index.remove(partition, key)
        self.model.pop((partition, key), None)

    @rule(partition=PARTITIONS)
    def drop(self, partition: int) -> None:
        self.index.drop(partition)
        self.model = {place: due_at for place, due_at in self.model.items() if place[0] != partition}

    @rule(now=TIMES)
    def look(self, now: float) -> None:
        due = {(partition, key.decode()) for (partition, key), due_at in self.model.items() if due_at <= now}
        named = self.index.due(now, ALL)
        assert len(named) == len(set(named))
        # Once a row was named it is named until it is removed or put off, also by a clock that has gone back.
        assert due <= set(named)
        assert all(self.model[partition, key.encode()] is not None for partition, key in named)

    @precondition(lambda self: self.model)
    @rule()
    def look_for_the_oldest(self) -> None:
        self.index.due(20 * SLOT_SECONDS, 0)  # all slots have begun
        oldest = self.index.oldest()
        assert oldest is not None
        assert oldest in self.model.values()

    @precondition(lambda self: len(self.model) > 1)
    @rule()
    def look_at_one(self) -> None:
        ((partition, key),) = self.index.due(20 * SLOT_SECONDS, 1)
        assert (partition, key.encode()) in self.model

    @invariant()
    def counts(self) -> None:
        assert len(self.index) == len(self.model)


IndexAgainstAList.TestCase.settings = settings(max_examples=100, stateful_step_count=40, deadline=None)
TestIndexAgainstAList = IndexAgainstAList.TestCase


@given(st.lists(st.tuples(TIMES, st.booleans()), max_size=30))
def test_looking_often_never_forgets_a_row(steps: list[tuple[float, bool]]) -> None:
    index = DueIndex()
    for number, (due_at, look) in enumerate(steps):
        index.put(0, b"%d" % number, Row(due_at))
        if look:
            index.due(due_at, 1)
    assert {key for _, key in index.due(20 * SLOT_SECONDS, ALL)} == {str(number) for number in range(len(steps))}


def test_rows_that_are_due_in_the_future_are_not_named() -> None:
    index = DueIndex()
    index.put(0, b"late", Row(10.0))
    index.put(0, b"soon", Row(10.1))
    assert index.due(10.0, ALL) == [(0, "late")]


def test_a_row_that_is_put_off_is_named_at_its_new_time_alone() -> None:
    index = DueIndex()
    index.put(0, b"k", Row(1.0))
    assert index.due(5.0, ALL) == [(0, "k")]
    index.put(0, b"k", Row(60.0))
    assert index.due(59.0, ALL) == []
    assert index.due(60.0, ALL) == [(0, "k")]


def test_a_row_that_is_put_elsewhere_within_its_quarter_of_an_hour_is_named_at_its_last_time_alone() -> None:
    index, begins_at = DueIndex(), 10 * SLOT_SECONDS
    for key, first, last in ((b"put off", 1.0, 5.0), (b"put forward", 9.0, 2.0)):
        index.put(0, key, Row(begins_at + first))
        index.put(0, key, Row(begins_at + last))
    assert index.due(begins_at + 1.0, ALL) == []
    assert index.due(begins_at + 2.0, ALL) == [(0, "put forward")]
    assert index.due(begins_at + 5.0, ALL) == [(0, "put forward"), (0, "put off")]


def test_many_rows_of_one_second_are_sorted_a_few_at_a_time_before_they_are_due() -> None:
    index, due_at = DueIndex(), 10 * SLOT_SECONDS
    for number in range(3 * SORTED_ROWS):
        index.put(0, b"%d" % number, Row(due_at))
    for look in range(4):
        assert index.due(due_at - SLOT_SECONDS + look, ALL) == []
    assert len(index.due(due_at, ALL)) == 3 * SORTED_ROWS


def test_what_hangs_in_one_partition_does_not_stand_before_another() -> None:
    index = DueIndex()
    for number in range(10):
        index.put(0, b"%d" % number, Row(1.0))
    index.put(1, b"other", Row(2.0))
    hanging = {(0, str(number)) for number in range(10)}
    assert index.due(5.0, 1, but=hanging) == [(1, "other")]


def test_no_partition_comes_first_every_time() -> None:
    index = DueIndex()
    for partition in range(2):
        for number in range(5):
            index.put(partition, b"%d" % number, Row(1.0))
    assert {index.due(5.0, 1)[0][0] for _ in range(2)} == {0, 1}
