"""The Faust app of the worker: made by a function, nothing at module level, nothing discovered."""

import asyncio
import time
from collections import defaultdict
from collections.abc import Callable, Collection, Iterable, Sequence
from typing import Any, Protocol

import faust
from faust.types import TP
from faust.types.enums import ProcessingGuarantee
from prometheus_client import CollectorRegistry
from yarl import URL

from agents.kafka.consumer import FAUST_LOGGER, Transport
from agents.kafka.credentials import broker_credentials
from agents.kafka.lane import Lane, Record
from agents.kafka.lease import Lease
from agents.kafka.offsets import Offsets
from agents.kafka.rebalances import Rebalances
from agents.kafka.recovery import Tables
from agents.kafka.room import Rooms
from agents.settings import WorkerSettings
from stream.records.headers import as_dict
from stream.telemetry import Metrics

REBALANCE_MARGIN_SECONDS = 30.0
# A worker whose partitions are all paused, as in a long outage of S3, polls nothing. Faust's 1,000 s would then make
# aiokafka leave the group, and never join again because nothing is polled. That the loop lives is /healthz's to tell.
MAX_POLL_SECONDS = 1_000_000.0
# A change of topics is seen by then, and whatever was assigned without knowing them is assigned anew.
METADATA_SECONDS = 10.0
FETCH_BYTES = 128 * 1024
"""Of one partition at a time; Kafka sends a record that is larger all the same."""
POLL_RECORDS = 1000
"""Of a changelog that is read back, at a time, which takes the event loop some milliseconds; records of the lanes'
topics are polled as there is room for them."""
SEND_BYTES = 4 * 1024 * 1024  # a dead letter holds another record in base64
RAW: dict[str, Any] = {
    # Faust would ack what it cannot decode, and then end the agent: bytes are decoded by our own code.
    "key_type": bytes,
    "value_type": bytes,
    "key_serializer": "raw",
    "value_serializer": "raw",
}


class Drained(Protocol):
    """A part that must not act on a partition after it has moved away."""

    async def drain(self, deadline_seconds: float) -> None:
        """Begin nothing more and wait for what runs; at the deadline give it up."""

    def resume(self) -> None:
        """Begin again."""


class PreviewApp(faust.App):
    """A Faust app whose agents hand every record to a lane, and whose commits follow the lanes."""

    logger = FAUST_LOGGER

    def __init__(self, *args: Any, drain_seconds: float, rebalances: Rebalances, **kwargs: Any) -> None:
        self.rebalances = rebalances
        super().__init__(*args, **kwargs)
        self.offsets = Offsets()
        self.lease = Lease(self.conf.broker_session_timeout)
        self.drain_seconds = drain_seconds
        self._lanes: dict[str, Lane] = {}
        self._drained: list[Drained] = []
        self._last_commit = asyncio.Event()

    def add_agent(self, topic: str, lane: Lane) -> None:
        """Feed every record of a topic to a lane."""

        async def feed(stream: Any) -> None:
            async for event in stream.noack().events():
                lane.feed(record_of(event.message))

        self._lanes[topic] = lane
        self.drain_too(lane)
        self.agent(self.topic(topic, **RAW), name=topic)(feed)

    @property
    def fed(self) -> Collection[str]:
        """Return the topics whose records go to a lane."""
        return self._lanes

    def drain_too(self, part: Drained) -> None:
        """Drain a part before partitions move away, and resume it once they are assigned."""
        self._drained.append(part)

    def on_assigned_call(self, callback: Callable[[Iterable[TP]], None]) -> None:
        """Call back with the partitions that this worker owns, whenever they were assigned anew."""

        async def assigned(_: Any, /, *assigned: Any, **__: Any) -> None:
            callback(*assigned)

        self.on_partitions_assigned.connect(assigned)

    def rooms(self, active: Collection[TP]) -> Rooms:
        """Return how many records of these partitions the lanes have room for."""
        owned: defaultdict[str, list[TP]] = defaultdict(list)
        for tp in active:
            owned[tp.topic].append(tp)
        rooms = {topic: lane.room(owned[topic]) for topic, lane in self._lanes.items()}
        return Rooms(rooms, active, POLL_RECORDS)

    def take(self, tp: TP, offset: int, timestamp_ms: int | None) -> None:
        """Note that a record is on its way to its lane, if it has one."""
        if (lane := self._lanes.get(tp.topic)) is not None:
            lane.take(tp, offset, timestamp_ms / 1000 if timestamp_ms and timestamp_ms > 0 else None)

    def read_back(self, tp: TP, records: Sequence[Any]) -> None:
        """Apply what was fetched of a changelog to the rows of its table."""
        tables: Any = self.tables  # ours, see agents/kafka/recovery.py
        tables.recovery.read_back(tp, records)

    def position(self, tp: TP) -> int:
        """Return the offset of an owned partition before which every record is finished."""
        position = self.offsets.position(tp)
        if self.offsets.unfinished(tp) and position is not None:
            return position
        consumer: Any = self.consumer  # ours, see agents/kafka/consumer.py
        committed: int = consumer.committed(tp)
        # Markers of transactions are read and never taken: an offset behind them would look like a record to come.
        return max(committed, position or 0, consumer.read_to(tp) or 0)

    async def drain_lanes(self) -> None:
        """Wait until no job runs, at most `drain_seconds`."""
        await asyncio.gather(*(part.drain(self.drain_seconds) for part in self._drained))

    def resume_lanes(self) -> None:
        """Let the lanes take records again."""
        for part in self._drained:
            part.resume()

    def on_rebalance_start(self) -> None:
        """Note that partitions are taken away; called in the consumer's thread."""
        super().on_rebalance_start()
        self.rebalances.begun()

    def on_rebalance_end(self) -> None:
        """Note that the work goes on."""
        super().on_rebalance_end()
        self.rebalances.ended()

    # A rebalance while the worker ends. Stock Faust closes aiokafka's connections then, from the wrong loop: neither
    # the last commit nor the farewell to the group reaches Kafka, and the end waits for its deadline.

    async def _on_partitions_revoked(self, revoked: set[TP]) -> None:
        """Drain and commit before the partitions move away; at the end that is `_stop_consumer`'s work."""
        if self.should_stop:
            await self._last_commit.wait()
        else:
            await super()._on_partitions_revoked(revoked)

    def _on_rebalance_when_stopped(self) -> None:
        """Leave what is assigned now alone: the group is about to be left."""

    async def _stop_consumer(self) -> None:
        try:
            await super()._stop_consumer()
        finally:
            self._last_commit.set()

    def _new_transport(self) -> Transport:
        return Transport(self.conf.broker_consumer, self)


class ConsumerFlow:
    """Steers whichever consumer the app has by then; lanes are made before it."""

    def __init__(self, app: faust.App) -> None:
        self._app = app

    def freed(self, tp: TP) -> None:
        """Let the consumer poll for records of a partition again."""
        consumer: Any = self._app.consumer  # ours, see agents/kafka/consumer.py
        consumer.freed(tp)


def create_app(settings: WorkerSettings, metrics: Metrics | None = None) -> PreviewApp:
    """Make the app; agents, tables and timers are added by the composition root."""
    return PreviewApp(
        settings.group,
        rebalances=Rebalances(metrics or Metrics(CollectorRegistry()), time.monotonic),
        drain_seconds=settings.worker_drain_seconds,
        broker=[URL(f"kafka://{server}") for server in settings.kafka_bootstrap_servers.split(",")],
        broker_credentials=broker_credentials(settings),
        broker_session_timeout=settings.worker_session_timeout_seconds,
        broker_heartbeat_interval=settings.worker_heartbeat_seconds,
        broker_rebalance_timeout=settings.worker_drain_seconds + REBALANCE_MARGIN_SECONDS,
        broker_commit_interval=settings.worker_commit_interval_seconds,
        broker_max_poll_interval=MAX_POLL_SECONDS,
        broker_max_poll_records=POLL_RECORDS,
        consumer_auto_offset_reset="earliest",
        consumer_group_instance_id=settings.worker_member_id or None,
        consumer_max_fetch_size=FETCH_BYTES,
        consumer_metadata_max_age_ms=int(METADATA_SECONDS * 1000),
        datadir=settings.worker_data_dir,
        processing_guarantee=ProcessingGuarantee.AT_LEAST_ONCE,  # exactly_once swallows errors of its transactions
        producer_acks=-1,
        producer_max_request_size=SEND_BYTES,
        producer_request_timeout=30.0,
        stream_buffer_maxsize=4096,
        stream_wait_empty=True,  # waits for the lanes, see agents/kafka/consumer.py
        TableManager=Tables,
        table_standby_replicas=0,
        topic_allow_declare=False,  # `python -m stream topics` makes them
        topic_disable_leader=True,
        topic_partitions=settings.topic_partitions,
        web_enabled=False,
    )


def record_of(message: Any) -> Record:
    """Return a Kafka message as a record, without anything of Faust in it."""
    return Record(
        topic=message.topic,
        partition=message.partition,
        offset=message.offset,
        key=message.key,
        value=message.value,
        headers=as_dict(message.headers),
        timestamp=message.timestamp,
    )
