"""What acts inside a worker: its tables, agents and lanes, between Kafka and the services."""

import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from functools import partial
from typing import Any, Final, TypeVar

import faust

from agents.conversations import Conversations, Tidied
from agents.kafka.lane import Flow, Lane, LaneLimits
from agents.kafka.offsets import Offsets
from agents.kafka.sender import Append, Send
from agents.lifecycle import CommandsTogether, LifecycleAgent
from agents.link import LinkAgent, LinkPolicy
from agents.process.services import Services
from agents.render import RenderAgent
from agents.repeated import RepeatedFetch, RepeatedRenderer
from agents.results import Results
from agents.routing import Agent, Routing
from agents.row_names import is_expiry
from agents.safeguards import Safeguards
from agents.said import LinkRow, Said
from agents.settings import WorkerSettings
from agents.source import Source
from agents.tables.due import Due, DueRow
from agents.tables.due_index import DueIndex
from agents.tables.rows import Observer, Rows
from agents.tables.shelves import Shelves
from stream.failures import Stage
from stream.messages import decode_attachment, decode_lifecycle_command, decode_preview
from stream.records.conversations import ConversationRow
from stream.telemetry import Metrics
from stream.topics import CONVERSATIONS_TABLE, DUE_TABLE, LINKS_TABLE, Topics
from stream.tracing import UNTRACED, Tracer

RowT = TypeVar("RowT")

RENDER_VERSION: Final = 1
"""Part of every object key: raise it when the same file is to become another picture."""
LIFECYCLE_CONCURRENCY: Final = 4
"""Of records with up to 1,000 commands each: more of them would hold the event loop for too long."""
SETTLING_TIMEOUTS: Final = 2
"""Of the storage: after so many a PUT that was given up cannot be under way any more."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Broker:
    """Kafka as tables, agents and lanes see it."""

    app: faust.App
    """Reads the tables back."""
    send: Send
    append: Append
    offsets: Offsets
    flow: Flow
    owned_seconds: Callable[[], float]
    """For how much longer the partitions are certainly this worker's."""
    certainly_ours: Callable[[], None]
    """Raises Held where `owned_seconds` is none."""


class Pipeline:
    """The way of every record through one worker; `crash` is awaited with what must end it."""

    def __init__(
        self,
        settings: WorkerSettings,
        broker: Broker,
        services: Services,
        safe: Safeguards,
        *,
        shelves: Shelves,
        metrics: Metrics,
        crash: Callable[[BaseException], Awaitable[None]],
        tracer: Tracer = UNTRACED,
    ) -> None:
        self._tracer = tracer
        self._settings = settings
        self._broker = broker
        self._services = services
        self._safe = safe
        self._shelves = shelves
        self._metrics = metrics
        self._topics = Topics.of(settings)
        self.due_index = DueIndex()
        self.links = self._rows(LINKS_TABLE, LinkRow)
        self.due_rows = self._rows(DUE_TABLE, DueRow, self.due_index)
        tidied = Tidied()
        self.conversation_rows = self._rows(CONVERSATIONS_TABLE, ConversationRow, tidied)
        self.due = Due(
            self.due_rows,
            self.due_index,
            broker.send,
            time.time,
            self._topics.read,
            gather={self._topics.lifecycle: CommandsTogether()},
            stays=is_expiry,
            on_fired=lambda topic: metrics.due_fired.labels(topic).inc(),
        )
        self._conversations = Conversations(
            self.conversation_rows,
            tidied,
            self.due,
            lifecycle_topic=self._topics.lifecycle,
            key_secret=settings.object_key_secret,
            erased_seconds=settings.erased_seconds,
            ttl_seconds=settings.preview_ttl_seconds,
            settling_seconds=SETTLING_TIMEOUTS * settings.s3_timeout_seconds,
            clock=time.time,
        )
        self._results = Results(self._topics, broker.send, metrics, time.time, safe.guard)
        self.lanes = self._make_lanes(crash)

    @property
    def tables(self) -> dict[str, Rows[Any]]:
        """Return the tables by name."""
        return {LINKS_TABLE: self.links, DUE_TABLE: self.due_rows, CONVERSATIONS_TABLE: self.conversation_rows}

    def _rows(self, table: str, kind: type[RowT], observer: Observer[RowT] | None = None) -> Rows[RowT]:
        return Rows(
            self._broker.app,
            table,
            kind,
            partitions=self._settings.topic_partitions,
            append=self._broker.append,
            on_skipped=self._metrics.rows_skipped.labels(table).inc,
            clock=time.time,
            observer=observer,
            shelves=self._shelves,
        )

    def _make_lanes(self, crash: Callable[[BaseException], Awaitable[None]]) -> dict[str, Lane]:
        settings, topics, safe = self._settings, self._topics, self._safe
        routing = Routing(
            results=self._results,
            due=self.due,
            send=self._broker.send,
            conversations=self._conversations,
            post_of=self.links.get,
            partitions=settings.topic_partitions,
            policy=safe.policy,
            guard=safe.guard,
            stop=crash,
            clock=time.time,
            monotonic=time.monotonic,
            rng=safe.rng,
            metrics=self._metrics,
            tracer=self._tracer,
        )
        lane = partial(Lane, offsets=self._broker.offsets, flow=self._broker.flow, crash=crash)
        render, link, lifecycle = self._render_agent().run, self._link_agent().run, self._lifecycle_agent().run
        renders = Agent(stage=Stage.DOWNLOAD, decode=decode_attachment, run=render, ready=safe.ready_to_store)
        links = Agent(stage=Stage.LINK, decode=decode_preview, run=link, ready=safe.ready_to_link)
        expires = Agent(stage=Stage.LIFECYCLE, decode=decode_lifecycle_command, run=lifecycle)
        return {
            topics.attachments: lane(routing.job(renders), limits=LaneLimits(settings.render_concurrency)),
            topics.previews: lane(routing.job(links), limits=LaneLimits(settings.link_concurrency)),
            topics.lifecycle: lane(routing.job(expires), limits=LaneLimits(LIFECYCLE_CONCURRENCY)),
        }

    def _render_agent(self) -> RenderAgent:
        settings, services, repeat = self._settings, self._services, self._safe.repeat
        return RenderAgent(
            topics=self._topics,
            source=Source(RepeatedFetch(services.downloader, repeat), services.genesys, time.time),
            renderer=RepeatedRenderer(services.children, repeat),
            store=services.store,
            due=self.due,
            conversations=self._conversations,
            results=self._results,
            send=self._broker.send,
            key_secret=settings.object_key_secret,
            render_version=f"{RENDER_VERSION}-{settings.render_max_edge_px}-{settings.render_webp_quality}",
            ttl_seconds=settings.preview_ttl_seconds,
            metrics=self._metrics,
            clock=time.time,
        )

    def _link_agent(self) -> LinkAgent:
        settings = self._settings
        said = Said(
            self.links,
            self.due,
            lifecycle_topic=self._topics.lifecycle,
            lifetime_seconds=settings.event_lifetime_seconds,
            clock=time.time,
        )
        return LinkAgent(
            topics=self._topics,
            poster=self._services.genesys,
            store=self._services.store,
            said=said,
            conversations=self._conversations,
            results=self._results,
            send=self._broker.send,
            policy=LinkPolicy(
                post_timeout_seconds=settings.genesys_timeout_seconds,
                idempotent=settings.genesys_post_mode == "attributes",
                reads_back_all=settings.genesys_post_mode == "communication",
                uncertain_post=settings.genesys_uncertain_post,
            ),
            retry=self._safe.policy,
            metrics=self._metrics,
            clock=time.time,
            owned_seconds=self._broker.owned_seconds,
        )

    def _lifecycle_agent(self) -> LifecycleAgent:
        return LifecycleAgent(
            topics=self._topics,
            store=self._services.store,
            due=self.due,
            links=self.links,
            conversations=self._conversations,
            results=self._results,
            metrics=self._metrics,
            clock=time.time,
            certainly_ours=self._broker.certainly_ours,
            send=self._broker.send,
            partitions=self._settings.topic_partitions,
        )
