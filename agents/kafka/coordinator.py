"""What aiokafka's group coordinator does not do: renew a lease, and know the topics before it assigns them."""

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any, Final

from agents.kafka.lease import Lease

UNKNOWN_MEMBER_ID: Final = ""
"""What aiokafka calls itself when Kafka has told it that it is no member."""
METADATA_TRIES: Final = 10
METADATA_PAUSE_SECONDS: Final = 0.3


def renew(coordinator: Any, lease: Lease) -> None:
    """Let joining the group, and each heartbeat that Kafka answers, renew the lease; aiokafka tells nobody of them."""
    heartbeat, rejoin = coordinator._do_heartbeat, coordinator._do_rejoin_group  # noqa: SLF001

    async def renewing_heartbeat() -> bool:
        sent_at = lease.now()
        answered: bool = await heartbeat()
        if answered:
            lease.renew(sent_at)
        elif coordinator.member_id == UNKNOWN_MEMBER_ID:
            lease.end()
        return answered

    async def renewing_rejoin(subscription: Any) -> bool:
        sent_at = lease.now()
        joined: bool = await rejoin(subscription)
        if joined:
            lease.renew(sent_at)
        return joined

    coordinator._do_heartbeat = renewing_heartbeat  # noqa: SLF001
    coordinator._do_rejoin_group = renewing_rejoin  # noqa: SLF001


def know_topics(consumer: Any, sleep: Callable[[float], Awaitable[None]] = asyncio.sleep) -> None:
    """Let the group's leader ask for the topics anew, for a few seconds, before it assigns partitions of unknown ones.

    A broker that has just started may answer that it has no topic. Faust's assignor then ignores the topics, every
    worker is assigned nothing, and aiokafka asks again only when its metadata is five minutes old.
    """
    coordinator, client = consumer._coordinator, consumer._client  # noqa: SLF001
    assign = coordinator._perform_assignment  # noqa: SLF001

    async def assign_known_topics(response: Any) -> Any:
        for _ in range(METADATA_TRIES):
            if all(client.cluster.partitions_for_topic(topic) for topic in consumer.subscription()):
                break
            await client.force_metadata_update()
            await sleep(METADATA_PAUSE_SECONDS)
        return await assign(response)

    coordinator._perform_assignment = assign_known_topics  # noqa: SLF001
