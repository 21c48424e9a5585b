"""The worker's heartbeat: gauges, readiness, this worker's share of the Genesys budget, and crashes of Faust."""

import asyncio
import time
from collections.abc import AsyncIterator, Callable, Iterable, Mapping, Sequence
from typing import Final

from faust.types import TP

from agents.guard import Guard
from agents.kafka.app import PreviewApp
from agents.kafka.lane import Lane
from agents.process.partitions import Partitions
from agents.tables.due_index import DueIndex
from stream.breaker import Breaker
from stream.failures import Reason
from stream.genesys.login import Login
from stream.health import Health
from stream.telemetry import Metrics
from stream.topics import Topics

BEAT_SECONDS: Final = 0.5
FOR_THE_OPERATOR: Final = frozenset(
    {
        Reason.PERMISSION_MISSING,
        Reason.CREDENTIALS_REFUSED,
        Reason.STORAGE_ACCESS_REFUSED,
        Reason.PRESIGNED_EXPIRED,
    }
)
"""Holds that no waiting ends: readiness goes off until a setting is mended."""


class Monitor:
    """Looks at the parts of a worker twice a second."""

    def __init__(
        self,
        app: PreviewApp,
        lanes: Mapping[str, Lane],
        index: DueIndex,
        logins: Sequence[Login],
        *,
        breakers: Iterable[Breaker],
        guard: Guard,
        partitions: Partitions,
        topics: Topics,
        metrics: Metrics,
        health: Health,
        wall_clock: Callable[[], float] = time.time,
    ) -> None:
        self._app = app
        self._lanes = lanes
        self._index = index
        self._logins = logins
        self._breakers = tuple(breakers)
        self._guard = guard
        self._partitions = partitions
        self._topics = topics
        self._metrics = metrics
        self._health = health
        self._wall_clock = wall_clock

    def on_assigned(self, assigned: Iterable[TP]) -> None:
        """Take the share of the budget that the owned partitions of [previews] stand for, and watch all of them."""
        tps = set(assigned)
        self._partitions.own(tps)
        owned = sum(tp.topic == self._topics.previews for tp in tps)
        share = owned / self._app.conf.topic_partitions
        self._metrics.rate_share_fraction.set(share)
        for login in self._logins:
            login.rate.set_share(share)

    async def beats(self) -> AsyncIterator[BaseException | None]:
        """Update everything twice a second, and yield what Faust crashed with, if it did."""
        while True:
            self._health.beat()
            self._tell_lanes()
            self._tell_due()
            self._tell_rate()
            self._tell_breakers()
            self._metrics.guard_share.set(self._guard.share)
            if self._app.started:
                self._tell_assignment()
            yield self._app.crash_reason if self._app.crashed else None
            await asyncio.sleep(BEAT_SECONDS)

    def _tell_due(self) -> None:
        oldest = self._index.oldest()
        self._metrics.due_rows.set(len(self._index))
        self._metrics.due_oldest.set(max(0.0, self._wall_clock() - oldest) if oldest is not None else 0.0)

    def _tell_rate(self) -> None:
        for login in self._logins:
            client = str(login.number)
            self._metrics.rate_share_tokens.labels(client).set(login.rate.available)
            self._metrics.client_refused.labels(client).set(login.refusal is not None)

    def _tell_breakers(self) -> None:
        for breaker in self._breakers:
            service = breaker.service.lower()
            self._metrics.breaker_state.labels(service).state(breaker.state.value)
            self._health.waits(service, breaker.trouble)

    def _tell_assignment(self) -> None:
        if self._app.rebalancing or not self._app.tables.actives_ready:
            self._partitions.rest()
            self._health.not_ready("kafka", "partitions are being assigned or tables read back")
        elif not self._app.lease.remaining_seconds:
            self._partitions.rest()
            self._health.not_ready("kafka", "Kafka has answered no heartbeat for the time of a session")
        else:
            self._health.ready("kafka")
            self._partitions.look()

    def _tell_lanes(self) -> None:
        for topic, lane in self._lanes.items():
            self._metrics.lane_in_flight.labels(topic).set(lane.running)
            self._metrics.lane_open.labels(topic).set(lane.open)
            self._metrics.lane_window.labels(topic).set(self._app.offsets.widest_window(topic))
            self._metrics.lane_oldest.labels(topic).set(self._app.offsets.oldest_seconds(topic))
            self._metrics.lane_held.labels(topic).set(lane.held_by is not None)
            if lane.trouble is not None and lane.trouble.reason in FOR_THE_OPERATOR:
                self._health.not_ready(f"lane {topic}", str(lane.trouble))
            else:
                self._health.ready(f"lane {topic}")
