"""Everything around an agent, in memory: what the unit tests of the agents run against."""

import asyncio
import itertools
import random
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any, TypeVar

import msgspec
from prometheus_client import CollectorRegistry

from agents.conversations import Conversations, Tidied
from agents.guard import Guard, GuardLimits
from agents.kafka.lane import Record
from agents.lifecycle import CommandsTogether, LifecycleAgent
from agents.results import Results
from agents.routing import Agent, Routing
from agents.row_names import is_expiry
from agents.said import LinkRow
from agents.storage import ObjectStore, StoredObject
from agents.tables.due import Due, DueRow
from agents.tables.due_index import DueIndex
from stream.failures import Reason, Refused, Retryable, Stage
from stream.messages import (
    ConversationRecord,
    DeadLetter,
    LifecycleCommand,
    LifecycleRecord,
    Outcome,
    decode_dead_letter,
    decode_lifecycle_command,
    decode_result,
)
from stream.records.conversations import ConversationRow
from stream.records.headers import RecordHeaders, as_dict
from stream.records.homes import partition_of
from stream.retry import Patience, RetryPolicy
from stream.settings import Secret
from stream.telemetry import Metrics
from stream.topics import Topics
from stream.tracing import UNTRACED, Tracer
from tests.agents.changelogs import PARTITIONS, Changelog, make_rows

MessageT = TypeVar("MessageT")

TOPICS = Topics(
    attachments="attachments",
    previews="previews",
    lifecycle="lifecycle",
    results="results",
    dead_letters="dead-letters",
    links_changelog="links-changelog",
    due_changelog="due-changelog",
    conversations_changelog="conversations-changelog",
)
NOW = 1_000_000.0
SECRET = Secret("s" * 32)
HOME = 2
"""The partition of these tests' records, home of the conversation named `conversation`."""


class Clock:
    """A clock that a test moves."""

    def __init__(self) -> None:
        self.now = NOW

    def __call__(self) -> float:
        return self.now


def at_home(name: str) -> str:
    """Return a conversation id that begins so and whose home is the partition of these tests."""
    names = (f"{name}{number}" for number in itertools.count())
    return next(one for one in names if partition_of(one.encode(), PARTITIONS) == HOME)


@dataclass
class SentRecord:
    topic: str
    key: bytes | None
    value: bytes | None
    partition: int | None
    headers: dict[str, bytes]


@dataclass
class World:
    """Topics, tables and clock around one agent."""

    clock: Clock = field(default_factory=Clock)
    sent: list[SentRecord] = field(default_factory=list)
    journal: list[str] = field(default_factory=list)
    """What happened outside, in order: sends, rows, objects, posts."""
    stopped_by: list[BaseException] = field(default_factory=list)
    tracer: Tracer = UNTRACED

    def __post_init__(self) -> None:
        self.metrics = Metrics(CollectorRegistry())
        patience = Patience(attempts=3, age_seconds=1000.0)
        self.policy = RetryPolicy(base_seconds=10.0, cap_seconds=100.0, services=patience, source=patience)
        self.guard = Guard(GuardLimits(share=0.5, window_seconds=300.0, least_conversations=2), self.clock)
        index = DueIndex()
        self.due_log = Journalled(self.journal, "due")
        self.due_rows = make_rows(self.due_log, DueRow, index)
        self.links = make_rows(Journalled(self.journal, "links"), LinkRow)
        self.due = Due(
            self.due_rows,
            index,
            self.send,
            self.clock,
            TOPICS.read,
            gather={TOPICS.lifecycle: CommandsTogether()},
            stays=is_expiry,
        )
        tidied = Tidied()
        self.conversation_rows = make_rows(Journalled(self.journal, "conversations"), ConversationRow, tidied)
        self.conversations = Conversations(
            self.conversation_rows,
            tidied,
            self.due,
            lifecycle_topic=TOPICS.lifecycle,
            key_secret=SECRET,
            erased_seconds=10_000.0,
            ttl_seconds=1000.0,
            settling_seconds=60.0,
            clock=self.clock,
        )
        self.results = Results(TOPICS, self.send, self.metrics, self.clock, self.guard)
        self.routing = Routing(
            results=self.results,
            due=self.due,
            send=self.send,
            conversations=self.conversations,
            post_of=self.links.get,
            partitions=PARTITIONS,
            policy=self.policy,
            guard=self.guard,
            stop=self.stop,
            clock=self.clock,
            monotonic=self.clock,
            rng=random.Random(1),
            metrics=self.metrics,
            tracer=self.tracer,
        )

    def recover(self, dead: "World") -> None:
        """Take the due table over from a worker that is gone."""
        for record in dead.due_log.records:
            self.due_log.add(record.partition, record.key, record.value)
        self.due_log.replay_into(self.due_rows)

    def lifecycle_agent(
        self, store: ObjectStore, certainly_ours: Callable[[], None] = lambda: None
    ) -> Agent[LifecycleCommand]:
        """Return the lifecycle agent over these topics and tables."""
        lifecycle = LifecycleAgent(
            topics=TOPICS,
            store=store,
            due=self.due,
            links=self.links,
            conversations=self.conversations,
            results=self.results,
            metrics=self.metrics,
            clock=self.clock,
            certainly_ours=certainly_ours,
            send=self.send,
            partitions=PARTITIONS,
        )
        return Agent(stage=Stage.LIFECYCLE, decode=decode_lifecycle_command, run=lifecycle.run)

    async def stop(self, error: BaseException) -> None:
        self.stopped_by.append(error)

    async def send(
        self,
        topic: str,
        *,
        key: bytes | None,
        value: bytes | None,
        partition: int | None = None,
        headers: RecordHeaders | None = None,
    ) -> None:
        self.journal.append(f"send {topic}")
        self.sent.append(SentRecord(topic, key, value, partition, as_dict(headers)))

    async def run(
        self, agent: Agent[Any], value: bytes | None, headers: dict[str, bytes] | None = None, topic: str = "topic"
    ) -> None:
        """Let the agent's job take one record of partition 2."""
        await self.routing.job(agent)(Record(topic, 2, 40, b"conversation", value, headers or {}))

    def to(self, topic: str) -> list[SentRecord]:
        return [record for record in self.sent if record.topic == topic]

    def outcomes(self) -> list[Outcome]:
        results = [decode_result(record.value or b"") for record in self.to("results")]
        return [result for result in results if isinstance(result, Outcome)]

    def lifecycle(self) -> list[LifecycleRecord]:
        results = [decode_result(record.value or b"") for record in self.to("results")]
        return [result for result in results if isinstance(result, LifecycleRecord)]

    def answers(self) -> list[ConversationRecord]:
        results = [decode_result(record.value or b"") for record in self.to("results")]
        return [result for result in results if isinstance(result, ConversationRecord)]

    def dead_letters(self) -> list[DeadLetter]:
        return [decode_dead_letter(record.value or b"") for record in self.to("dead-letters")]

    def waiting(self) -> dict[str, DueRow]:
        """Return the due rows of partition 2 by key."""
        return dict(self.due_rows.items(2))


class Journalled(Changelog):
    """A changelog that also notes each write in the world's journal."""

    def __init__(self, journal: list[str], table: str) -> None:
        super().__init__()
        self._journal = journal
        self._table = table
        self.failing: Exception | None = None
        """Raised by every write while it is set."""

    async def __call__(self, topic: str, **kwargs: Any) -> int:
        if self.failing is not None:
            raise self.failing
        kind = "delete" if kwargs["value"] is None else _label(kwargs["value"])
        self._journal.append(f"{self._table} {kind}")
        return await super().__call__(topic, **kwargs)


def _label(value: bytes) -> str:
    return str(msgspec.json.decode(value).get("state", "put"))


class MemoryStore:
    """An object store in a dict; `failing` is raised by every call while it is set."""

    def __init__(self, journal: list[str]) -> None:
        self.objects: dict[str, bytes] = {}
        self.failing: Exception | None = None
        self.refused: set[str] = set()
        """Keys that the storage will not delete."""
        self.lists = True
        self.failing_keys: set[str] = set()
        """Keys at whose deletion the storage always fails."""
        self.hangs: asyncio.Event | None = None
        """Set once a deletion was asked for that is never answered."""
        self._journal = journal

    async def start(self) -> None: ...

    async def put(self, key: str, data: bytes, *, content_type: str, expires_at: float) -> None:
        del content_type, expires_at
        self._fail()
        self._journal.append("object put")
        self.objects[key] = data

    async def exists(self, key: str) -> bool:
        self._fail()
        return key in self.objects

    async def delete(self, keys: Sequence[str]) -> None:
        self._fail()
        if self.hangs is not None:
            self.hangs.set()
            await asyncio.Event().wait()
        if refused := self.refused.intersection(keys):
            raise Refused(Reason.STORAGE_REFUSED, f"not these: {refused}")
        if failing := self.failing_keys.intersection(keys):
            raise Retryable(Reason.STORAGE_UNAVAILABLE, f"an internal error at {failing}")
        self._journal.append(f"{len(keys)} objects delete")
        for key in keys:
            self.objects.pop(key, None)

    async def listed(self, prefix: str = "") -> list[StoredObject] | None:
        self._fail()
        if not self.lists:
            return None
        return [StoredObject(key, len(data), 0.0) for key, data in self.objects.items() if key.startswith(prefix)]

    def url(self, key: str, expires_at: float, now: float) -> str:
        return f"https://cdn.example/{key}?signed={now:.0f}-{expires_at:.0f}"

    async def close(self) -> None: ...

    def _fail(self) -> None:
        if self.failing is not None:
            raise self.failing


Act = Callable[[], None]
