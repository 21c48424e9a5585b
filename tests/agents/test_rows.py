import asyncio
from typing import Any

from hypothesis import given
from hypothesis import strategies as st
from msgspec import Struct

from agents.rows import Rows
from tests.agents.changelogs import Changelog, make_rows


class Row(Struct, frozen=True):
    text: str


def contents(rows: Rows[Row]) -> dict[tuple[int, str], str]:
    return {(partition, key): row.text for partition in range(4) for key, row in rows.items(partition)}


async def test_a_row_is_there_only_once_its_changelog_record_is_acknowledged() -> None:
    acknowledged = asyncio.Event()

    class Slow(Changelog):
        async def __call__(self, *args: Any, **kwargs: Any) -> None:
            await acknowledged.wait()
            await super().__call__(*args, **kwargs)

    rows = make_rows(Slow(), Row)
    write = asyncio.create_task(rows.put(2, "k", Row("v")))
    await asyncio.sleep(0)
    assert rows.get(2, "k") is None
    acknowledged.set()
    await write
    assert rows.get(2, "k") == Row("v")


async def test_rows_of_one_key_in_two_partitions_are_two_rows() -> None:
    rows = make_rows(Changelog(), Row)
    await rows.put(0, "k", Row("zero"))
    await rows.put(1, "k", Row("one"))
    assert contents(rows) == {(0, "k"): "zero", (1, "k"): "one"}


async def test_records_that_do_not_decode_are_skipped_and_counted_at_recovery() -> None:
    skipped: list[int] = []
    rows = make_rows(Changelog(), Row, skipped=skipped)
    foreign: list[tuple[bytes | None, bytes | None]] = [
        (b"k", b"not json"),
        (b"\xff", b'{"text":"v"}'),
        (b"k", b'{"other":1}'),
        (None, b"[]"),
    ]
    for key, value in foreign:
        rows.apply(0, key, value)
    rows.apply(0, b"k", b'{"text":"ours"}')
    assert contents(rows) == {(0, "k"): "ours"}
    assert len(skipped) == 4


@given(st.binary(max_size=40) | st.none(), st.binary(max_size=80) | st.none())
def test_no_changelog_record_stops_recovery(key: bytes | None, value: bytes | None) -> None:
    ROWS.apply(0, key, value)


ROWS = make_rows(Changelog(), Row)


async def test_partitions_that_moved_away_leave_nothing_behind() -> None:
    dropped: list[int] = []

    class Observer:
        def put(self, partition: int, key: str, row: Row) -> None: ...
        def remove(self, partition: int, key: str) -> None: ...
        def drop(self, partition: int) -> None:
            dropped.append(partition)

    rows = make_rows(Changelog(), Row, Observer())
    for partition in range(3):
        await rows.put(partition, "k", Row("v"))
    rows.keep_only({1})
    assert contents(rows) == {(1, "k"): "v"}
    assert sorted(dropped) == [0, 2]


async def test_deleting_only_a_certain_row_leaves_the_one_that_replaced_it() -> None:
    rows = make_rows(Changelog(), Row)
    old, new = Row("old"), Row("new")
    await rows.put(0, "k", old)
    await rows.put(0, "k", new)
    await rows.delete(0, "k", only=old)
    assert rows.get(0, "k") == new
    await rows.delete(0, "k", only=new)
    assert rows.get(0, "k") is None


OPERATIONS = st.lists(
    st.tuples(st.integers(0, 3), st.sampled_from("abc"), st.text(max_size=5) | st.none()), max_size=30
)


@given(OPERATIONS)
def test_recovery_restores_what_was_written(operations: list[tuple[int, str, str | None]]) -> None:
    async def write() -> tuple[Changelog, dict[tuple[int, str], str]]:
        log = Changelog()
        rows = make_rows(log, Row)
        for partition, key, text in operations:
            if text is None:
                await rows.delete(partition, key)
            else:
                await rows.put(partition, key, Row(text))
        return log, contents(rows)

    log, before = asyncio.run(write())
    recovered = make_rows(Changelog(), Row)
    log.replay_into(recovered)
    assert contents(recovered) == before
