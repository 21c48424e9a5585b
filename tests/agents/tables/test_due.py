import asyncio
from collections.abc import Callable, Sequence
from typing import Any

import pytest
from aiokafka.errors import MessageSizeTooLargeError, TopicAuthorizationFailedError

from agents.tables.due import ALONE_ROWS, REFUSED_SECONDS, TOGETHER_BYTES, Due, DueRow
from agents.tables.due_index import DueIndex
from agents.tables.rows import Rows
from stream.failures import Held, Reason
from tests.agents.changelogs import Changelog, make_rows


def row(due_at: float, value: bytes = b"{}") -> DueRow:
    return DueRow(due_at=due_at, topic="attachments", value=value)


class Sent:
    """Records what is sent, and lets a test act in the middle of a send."""

    def __init__(self, during: Callable[[], Any] | None = None) -> None:
        self.records: list[tuple[str, int | None, bytes | None]] = []
        self._during = during

    async def __call__(
        self, topic: str, *, key: bytes | None, value: bytes | None, partition: int | None = None, headers: Any = None
    ) -> None:
        del key, headers
        self.records.append((topic, partition, value))
        if self._during is not None:
            await self._during()


def due_table(log: Changelog, sent: Sent, now: float) -> tuple[Due, Rows[DueRow]]:
    index = DueIndex()
    rows = make_rows(log, DueRow, index)
    return Due(rows, index, sent, lambda: now, ["attachments"]), rows


async def test_a_sweep_sends_what_is_due_to_its_partition_and_deletes_its_row() -> None:
    sent = Sent()
    due, rows = due_table(Changelog(), sent, now=50.0)
    await due.put(3, "late", row(49.0, b"late"))
    await due.put(3, "soon", row(50.4, b"soon"))
    await due.put(3, "tomorrow", row(90_000.0, b"tomorrow"))
    assert await due.sweep() == 1
    assert sent.records == [("attachments", 3, b"late")]
    assert sorted(key for key, _ in rows.items(3)) == ["soon", "tomorrow"]


async def test_a_row_written_anew_while_its_older_self_is_sent_stays() -> None:
    log = Changelog()

    async def write_anew() -> None:
        await rows.put(0, "k", row(500.0, b"new"))

    due, rows = due_table(log, Sent(write_anew), now=50.0)
    await due.put(0, "k", row(10.0, b"old"))
    await due.sweep()
    kept = rows.get(0, "k")
    assert kept is not None
    assert kept.value == b"new"
    assert log.last(0, "k") is not None


async def test_a_send_that_hangs_holds_up_no_later_sweep() -> None:
    gone: list[str] = []

    async def send(
        topic: str, *, key: bytes | None, value: bytes | None, partition: int | None = None, headers: Any = None
    ) -> None:
        del key, value, partition, headers
        if topic == "gone":
            gone.append(topic)
            await asyncio.Future()

    index = DueIndex()
    rows = make_rows(Changelog(), DueRow, index)
    due = Due(rows, index, send, lambda: 50.0, ["attachments", "gone"], sweep_seconds=0.01)
    await due.put(0, "stuck", DueRow(due_at=1.0, topic="gone", key=b"k"))
    await due.sweep()
    await due.put(0, "k", row(10.0))
    assert await due.sweep() == 1
    assert [key for key, _ in rows.items(0)] == ["stuck"]
    assert gone == ["gone"]
    await due.close()


@pytest.mark.parametrize("refused", [True, False])
async def test_as_many_rows_as_a_sweep_takes_that_hang_or_are_refused_hold_up_no_other(refused: bool) -> None:  # noqa: FBT001
    sent: list[str] = []

    async def send(
        topic: str, *, key: bytes | None, value: bytes | None, partition: int | None = None, headers: Any = None
    ) -> None:
        del key, value, partition, headers
        if topic == "bad" and refused:
            raise TopicAuthorizationFailedError
        if topic == "bad":
            await asyncio.Future()
        sent.append(topic)

    index = DueIndex()
    rows = make_rows(Changelog(), DueRow, index)
    now = [50.0]
    due = Due(rows, index, send, lambda: now[0], ["attachments", "bad"], sweep_seconds=0.01)
    for number in range(ALONE_ROWS):
        await due.put(0, str(number), DueRow(due_at=1.0, topic="bad", key=b"k"))
    await due.put(0, "good", row(10.0))
    await due.sweep()
    await due.sweep()
    assert sent == ["attachments"]
    now[0] += REFUSED_SECONDS
    assert await due.sweep() == (ALONE_ROWS if refused else 0)
    await due.close()
    assert len(list(rows.items(0))) == ALONE_ROWS


async def test_a_row_of_somebody_else_is_dropped_unsent() -> None:
    sent = Sent()
    due, rows = due_table(Changelog(), sent, now=50.0)
    await due.put(0, "elsewhere", DueRow(due_at=1.0, topic="no-such-topic", value=b"junk"))
    await due.put(0, "nothing", DueRow(due_at=1.0, topic="attachments"))
    await due.sweep()
    assert (sent.records, list(rows.items(0))) == ([], [])


async def test_a_record_that_kafka_refuses_keeps_its_row_and_holds_up_no_other() -> None:
    async def send(
        topic: str, *, key: bytes | None, value: bytes | None, partition: int | None = None, headers: Any = None
    ) -> None:
        del key, topic, partition, headers
        if value == b"too large":
            raise MessageSizeTooLargeError

    index = DueIndex()
    rows = make_rows(Changelog(), DueRow, index)
    due = Due(rows, index, send, lambda: 50.0, ["attachments"])
    await due.put(0, "large", row(1.0, b"too large"))
    await due.put(0, "k", row(1.0))
    await due.sweep()
    assert [key for key, _ in rows.items(0)] == ["large"]


async def test_a_crash_between_send_and_delete_sends_again_after_recovery() -> None:
    log = Changelog()
    killed = asyncio.Event()

    async def crash() -> None:
        killed.set()
        await asyncio.Future()

    due, _ = due_table(log, Sent(crash), now=50.0)
    await due.put(0, "k", row(10.0))
    sweep = asyncio.create_task(due.sweep())
    await killed.wait()
    sent = Sent()
    again, rows = due_table(log, sent, now=60.0)
    log.replay_into(rows)
    assert await again.sweep() == 1
    assert len(sent.records) == 1
    sweep.cancel()
    await due.close()


async def test_a_drain_waits_for_what_is_being_sent_and_nothing_more_is_begun_until_the_end() -> None:
    sending, sent = asyncio.Event(), asyncio.Event()

    async def slow() -> None:
        sending.set()
        await sent.wait()

    due, rows = due_table(Changelog(), Sent(slow), now=50.0)
    await due.put(0, "k", row(10.0))
    sweep = asyncio.create_task(due.sweep())
    await sending.wait()
    drain = asyncio.create_task(due.drain(30.0))
    await asyncio.sleep(0)
    await due.put(0, "later", row(20.0))
    assert await due.sweep() == 0
    assert not drain.done()
    sent.set()
    await asyncio.gather(drain, sweep)
    assert rows.get(0, "k") is None
    due.resume()
    assert await due.sweep() == 1


async def test_a_send_that_hangs_is_given_up_when_its_partition_is_about_to_move_away() -> None:
    log = Changelog()
    due, rows = due_table(log, Sent(asyncio.Event().wait), now=50.0)
    await due.put(0, "k", row(10.0))
    sweep = asyncio.create_task(due.sweep())
    await asyncio.sleep(0)
    await due.drain(0.01)
    await sweep
    assert rows.get(0, "k") is not None
    assert log.last(0, "k") is not None


async def test_a_sweep_goes_on_until_nothing_is_due() -> None:
    sent = Sent()
    due, rows = due_table(Changelog(), sent, now=50.0)
    for number in range(2 * ALONE_ROWS + 1):
        await due.put(number % 3, str(number), row(10.0))
    assert await due.sweep() == 2 * ALONE_ROWS + 1
    assert len(sent.records) == 2 * ALONE_ROWS + 1
    assert [list(rows.items(partition)) for partition in range(3)] == [[], [], []]


async def test_a_sweep_begins_with_no_further_batch_once_it_may_not() -> None:
    due, _ = due_table(Changelog(), Sent(), now=50.0)
    for number in range(2 * ALONE_ROWS):
        await due.put(0, str(number), row(10.0))
    answers = iter([True, False])
    assert await due.sweep(lambda: next(answers)) == ALONE_ROWS


async def test_a_sweep_does_not_try_again_at_once_what_is_held() -> None:
    tried: list[str] = []

    async def held(topic: str, **_: Any) -> None:
        tried.append(topic)
        raise Held(Reason.MEMBERSHIP_UNCERTAIN, "not ours for now", 1.0)

    index = DueIndex()
    rows = make_rows(Changelog(), DueRow, index)
    due = Due(rows, index, held, lambda: 50.0, ["attachments"])
    await due.put(0, "k", row(10.0))
    assert await due.sweep() == 1
    assert tried == ["attachments"]
    assert await due.sweep() == 1


class Joined:
    """Sends all but empty values together, parted by commas."""

    def takes(self, row: DueRow) -> bool:
        return bool(row.value)

    def together(self, rows: Sequence[DueRow]) -> bytes:
        return b",".join(row.value or b"" for row in rows)


def gathering_table(sent: Sent) -> tuple[Due, Rows[DueRow]]:
    index = DueIndex()
    rows = make_rows(Changelog(), DueRow, index)
    return Due(rows, index, sent, lambda: 50.0, ["attachments", "previews"], gather={"attachments": Joined()}), rows


async def test_rows_of_one_partition_that_are_due_at_once_are_sent_together_where_somebody_says_how() -> None:
    sent = Sent()
    due, rows = gathering_table(sent)
    for partition, key, value in ((0, "a", b"a"), (0, "b", b"b"), (1, "c", b"c")):
        await due.put(partition, key, row(10.0, value))
    await due.put(0, "other topic", DueRow(due_at=10.0, topic="previews", value=b"d"))
    await due.put(0, "not taken", DueRow(due_at=10.0, topic="attachments", key=b"k", value=b""))
    assert await due.sweep() == 5
    assert sorted(sent.records) == [
        ("attachments", 0, b""),
        ("attachments", 0, b"a,b"),
        ("attachments", 1, b"c"),
        ("previews", 0, b"d"),
    ]
    assert [list(rows.items(partition)) for partition in range(2)] == [[], []]


async def test_no_more_is_sent_together_than_one_record_holds() -> None:
    sent = Sent()
    due, _ = gathering_table(sent)
    for number in range(3):
        await due.put(0, str(number), row(10.0, b"v" * (TOGETHER_BYTES // 2)))
    await due.sweep()
    assert [len(value or b"") for _, _, value in sent.records] == [TOGETHER_BYTES + 1, TOGETHER_BYTES // 2]


async def test_of_rows_that_are_sent_together_one_that_was_written_anew_meanwhile_stays() -> None:
    async def write_anew() -> None:
        await rows.put(0, "b", row(500.0, b"new"))

    due, rows = gathering_table(Sent(write_anew))
    for key in ("a", "b"):
        await due.put(0, key, row(10.0, key.encode()))
    await due.sweep()
    assert [key for key, _ in rows.items(0)] == ["b"]


async def test_each_row_that_was_sent_is_told_with_its_topic() -> None:
    index, fired = DueIndex(), list[str]()
    rows = make_rows(Changelog(), DueRow, index)
    due = Due(rows, index, Sent(), lambda: 50.0, ["attachments"], on_fired=fired.append)
    await due.put(0, "due", row(10.0))
    await due.put(1, "foreign", DueRow(due_at=1.0, topic="somebody else's", value=b"{}"))
    await due.put(2, "later", row(60.0))
    await due.sweep()
    assert fired == ["attachments"]
