from types import SimpleNamespace
from typing import Any

from agents.kafka.coordinator import METADATA_TRIES, know_topics, renew
from agents.kafka.lease import Lease
from tests.agents.worlds import Clock

SESSION_SECONDS = 30.0
TOPICS = {"attachments", "previews"}


class Coordinator:
    """aiokafka's, as far as it is mended."""

    def __init__(self) -> None:
        self.member_id = "member"
        self.answers: list[bool] = []
        self.assignments = 0

    async def _do_heartbeat(self) -> bool:
        return self.answers.pop(0)

    async def _do_rejoin_group(self, subscription: object) -> bool:
        del subscription
        return self.answers.pop(0)

    async def _perform_assignment(self, response: object) -> object:
        self.assignments += 1
        return response


class Leased:
    def __init__(self, answers: list[bool]) -> None:
        self.lease = Lease(SESSION_SECONDS, Clock())
        self.coordinator: Any = Coordinator()
        self.coordinator.answers = answers
        renew(self.coordinator, self.lease)


async def test_heartbeats_that_kafka_answers_renew_the_lease() -> None:
    leased = Leased([False, True])
    assert not await leased.coordinator._do_heartbeat()
    assert leased.lease.remaining_seconds == 0
    assert await leased.coordinator._do_heartbeat()
    assert leased.lease.remaining_seconds == SESSION_SECONDS


async def test_joining_begins_a_lease() -> None:
    leased = Leased([False, True])
    assert not await leased.coordinator._do_rejoin_group("subscription")
    assert leased.lease.remaining_seconds == 0
    assert await leased.coordinator._do_rejoin_group("subscription")
    assert leased.lease.remaining_seconds == SESSION_SECONDS


async def test_a_heartbeat_to_which_kafka_says_that_we_are_no_member_ends_the_lease() -> None:
    leased = Leased([True, False, False])
    await leased.coordinator._do_heartbeat()
    await leased.coordinator._do_heartbeat()
    assert leased.lease.remaining_seconds > 0, "Kafka is merely away"
    leased.coordinator.member_id = ""
    await leased.coordinator._do_heartbeat()
    assert leased.lease.remaining_seconds == 0


class Metadata:
    """A consumer of aiokafka whose broker knows its topics again after some requests."""

    def __init__(self, unknown_for: int) -> None:
        self.requests = 0
        self._unknown_for = unknown_for
        self._coordinator: Any = Coordinator()
        self._client = SimpleNamespace(
            cluster=SimpleNamespace(partitions_for_topic=self._partitions), force_metadata_update=self._ask
        )
        know_topics(self, self._pause)

    def subscription(self) -> set[str]:
        return TOPICS

    def _partitions(self, topic: str) -> set[int] | None:
        return {0, 1} if self.requests >= self._unknown_for or topic == "previews" else None

    async def _ask(self) -> bool:
        self.requests += 1
        return True

    async def _pause(self, seconds: float) -> None:
        assert seconds > 0


async def test_the_leader_asks_for_topics_that_a_starting_broker_does_not_know_yet() -> None:
    metadata = Metadata(unknown_for=3)
    assert await metadata._coordinator._perform_assignment("response") == "response"
    assert metadata.requests == 3


async def test_the_leader_asks_nothing_when_it_knows_all_topics() -> None:
    metadata = Metadata(unknown_for=0)
    await metadata._coordinator._perform_assignment("response")
    assert metadata.requests == 0


async def test_a_topic_that_stays_unknown_does_not_hold_up_the_group_for_long() -> None:
    metadata = Metadata(unknown_for=10**6)
    await metadata._coordinator._perform_assignment("response")
    assert (metadata.requests, metadata._coordinator.assignments) == (METADATA_TRIES, 1)
