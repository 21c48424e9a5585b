import asyncio
from types import SimpleNamespace
from typing import Any, cast

import pytest
from aiokafka.errors import KafkaConnectionError
from faust.types import TP

from agents.kafka.lane import Lane, LaneLimits, Record
from agents.kafka.lease import Lease
from agents.kafka.offsets import Offsets
from agents.kafka.sender import Sender
from stream.failures import Held, Reason
from tests.agents.worlds import NOW, Clock

SESSION_SECONDS = 30.0
PARTITION_OF_JOB = TP("lifecycle", 3)


def test_a_lease_lasts_a_session_from_the_sending_of_an_answered_heartbeat() -> None:
    clock = Clock()
    lease = Lease(SESSION_SECONDS, clock)
    clock.now = NOW + 7
    lease.renew(NOW)
    assert lease.remaining_seconds == SESSION_SECONDS - 7
    lease.check()


@pytest.mark.parametrize("ended_by", ["nothing yet", "time", "Kafka"])
def test_without_a_lease_the_lane_is_held_for_a_moment(ended_by: str) -> None:
    clock = Clock()
    lease = Lease(SESSION_SECONDS, clock)
    if ended_by != "nothing yet":
        lease.renew(NOW)
    if ended_by == "Kafka":
        lease.end()
    clock.now = NOW + (SESSION_SECONDS if ended_by == "time" else 1)
    assert lease.remaining_seconds == 0
    with pytest.raises(Held) as held:
        lease.check()
    assert (held.value.reason, held.value.for_seconds) == (Reason.MEMBERSHIP_UNCERTAIN, 1.0)


class Producer:
    """Kafka's producer, which fails while Kafka is away."""

    def __init__(self) -> None:
        self.records: list[bytes | None] = []
        self.away = False

    async def send(self, _topic: str, _key: bytes | None, value: bytes | None, *_: Any) -> Any:
        if self.away:
            raise KafkaConnectionError
        self.records.append(value)
        sent: asyncio.Future[Any] = asyncio.get_running_loop().create_future()
        sent.set_result(SimpleNamespace(offset=len(self.records) - 1))
        return sent


async def test_a_worker_that_was_frozen_beyond_its_session_writes_no_row() -> None:
    clock, producer = Clock(), Producer()
    lease = Lease(SESSION_SECONDS, clock)
    sender = Sender(cast("Any", SimpleNamespace(producer=producer)), may_append=lease.check)
    lease.renew(NOW)
    assert await sender.append("links", key=b"e1", value=b"{}", partition=2) == 0
    clock.now = NOW + SESSION_SECONDS + 1
    with pytest.raises(Held):
        await sender.append("links", key=b"e1", value=None, partition=2)
    assert producer.records == [b"{}"]
    await sender("results", key=b"e1", value=b"an outcome may come twice")


async def test_a_row_whose_lease_ends_while_kafka_is_away_is_not_written_once_it_is_back() -> None:
    clock, producer = Clock(), Producer()
    lease = Lease(SESSION_SECONDS, clock)
    lease.renew(NOW)
    producer.away = True

    async def away_for_a_session(_seconds: float) -> None:
        clock.now = NOW + SESSION_SECONDS + 1
        producer.away = False

    sender = Sender(cast("Any", SimpleNamespace(producer=producer)), away_for_a_session, lease.check)
    with pytest.raises(Held):
        await sender.append("links", key=b"e1", value=None, partition=2)
    assert producer.records == []


async def test_what_a_job_sends_is_known_to_wait_for_kafka_also_from_tasks_that_it_begins() -> None:
    producer = Producer()
    producer.away = True
    waited: list[int] = []

    async def look(_seconds: float) -> None:
        waited.append(sender.waiting[PARTITION_OF_JOB])
        producer.away = False

    async def job(_: Record) -> None:
        await asyncio.gather(sender("results", key=b"e1", value=b"{}"), sender("results", key=b"e2", value=b"{}"))

    async def crash(error: BaseException) -> None:
        raise error

    flow = cast("Any", SimpleNamespace(freed=lambda _: None))
    sender = Sender(cast("Any", SimpleNamespace(producer=producer)), look)
    lane = Lane(job, limits=LaneLimits(1), offsets=Offsets(), flow=flow, crash=crash)
    lane.feed(Record(*PARTITION_OF_JOB, 0, None, b""))
    await lane.drain(5.0)
    assert waited == [1]
    assert sender.waiting[PARTITION_OF_JOB] == 0
    await sender("results", key=b"e3", value=b"of no job")
    assert list(sender.waiting) == [PARTITION_OF_JOB]
