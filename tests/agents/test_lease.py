import asyncio
from typing import Any

import pytest

from agents.app import PreviewApp, create_app
from agents.consumer import ConsumerThread
from agents.lease import Lease, leased
from stream.failures import Held, Reason
from tests.agents.changelogs import Changelog
from tests.agents.test_app import settings
from tests.agents.worlds import NOW, Clock

SESSION_SECONDS = 30.0


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


async def test_a_worker_that_was_frozen_beyond_its_session_writes_no_row() -> None:
    clock, log = Clock(), Changelog()
    lease = Lease(SESSION_SECONDS, clock)
    append = leased(log, lease)
    lease.renew(NOW)
    assert await append("links", key=b"e1", value=b"{}", partition=2) == 0
    clock.now = NOW + SESSION_SECONDS + 1
    with pytest.raises(Held):
        await append("links", key=b"e1", value=None, partition=2)
    assert log.last(2, "e1") == b"{}"


class Coordinator:
    """aiokafka's, as far as heartbeats go."""

    def __init__(self) -> None:
        self.member_id = "member"
        self.answers: list[bool] = []

    async def _do_heartbeat(self) -> bool:
        answer = self.answers.pop(0)
        self.member_id = "member" if answer else self.member_id
        return answer

    async def _do_rejoin_group(self, subscription: object) -> bool:
        del subscription
        return self.answers.pop(0)


class KafkaConsumer:
    def __init__(self) -> None:
        self._coordinator = Coordinator()

    async def start(self) -> None: ...


class Thread(ConsumerThread):
    def _create_consumer(self, loop: asyncio.AbstractEventLoop) -> Any:
        del loop
        return KafkaConsumer()


async def _started_thread() -> tuple[PreviewApp, Any, Any]:
    app = create_app(settings())
    consumer: Any = app.transport.create_consumer(callback=_nothing, on_partitions_revoked=_nothing,
                                                  on_partitions_assigned=_nothing)  # fmt: skip
    consumer._thread.thread_loop.close()
    thread = Thread(consumer, loop=app.loop)
    await thread.on_start()
    thread.thread_loop.close()
    return app, thread, thread._ensure_consumer()._coordinator


async def _nothing(*_: Any) -> None: ...


async def test_heartbeats_that_kafka_answers_renew_the_lease() -> None:
    app, _, coordinator = await _started_thread()
    coordinator.answers = [False, True]
    assert not await coordinator._do_heartbeat()
    assert app.lease.remaining_seconds == 0
    assert await coordinator._do_heartbeat()
    assert app.lease.remaining_seconds > 0


async def test_joining_begins_a_lease() -> None:
    app, _, coordinator = await _started_thread()
    coordinator.answers = [False, True]
    assert not await coordinator._do_rejoin_group("subscription")
    assert app.lease.remaining_seconds == 0
    assert await coordinator._do_rejoin_group("subscription")
    assert app.lease.remaining_seconds > 0


async def test_a_heartbeat_to_which_kafka_says_that_we_are_no_member_ends_the_lease() -> None:
    app, _, coordinator = await _started_thread()
    coordinator.answers = [True, False, False]
    await coordinator._do_heartbeat()
    await coordinator._do_heartbeat()
    assert app.lease.remaining_seconds > 0, "Kafka is merely away"
    coordinator.member_id = ""
    await coordinator._do_heartbeat()
    assert app.lease.remaining_seconds == 0
