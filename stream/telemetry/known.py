"""Series that begin at 0: rates and alerts see the first event only where there was a series before it.

Not the product of all labels: the pairs that the code can bring about. What is not foreseen here begins with its event.
"""

from collections.abc import Iterable, Mapping
from typing import Final

from prometheus_client.metrics import MetricWrapperBase

from stream.arrival import EventSource
from stream.failures import Reason, Stage
from stream.genesys import calls
from stream.retry import IN_PLACE
from stream.telemetry.metrics import Metrics

WEBHOOK_STATUSES: Final = (200, 202, 400, 401, 413, 415, 422, 429, 500, 503)
OTHER_STATUSES: Final = (200, 404, 405, 503)
VERDICTS: Final = ("rendered", "partial", "unsupported")
REJECTED: Final = (
    Reason.UNSUPPORTED,
    Reason.ENCRYPTED,
    Reason.TOO_LARGE,
    Reason.BOMB,
    Reason.CORRUPT,
    Reason.EMPTY,
    Reason.TIMEOUT,
    Reason.CRASHED,
    Reason.SOURCE_GONE,
    Reason.SOURCE_BLOCKED,
    Reason.SOURCE_REFUSED,
    Reason.SOURCE_CHANGED,
    Reason.ERASED,
)
ANSWERED: Final = (
    ("erase", "erased"),
    ("erase", "refused"),
    ("hold", "held"),
    ("hold", "refused"),
    ("release", "released"),
    ("release", "refused"),
)
HELD: Final = (
    Reason.RATE_LIMITED,
    Reason.PERMISSION_MISSING,
    Reason.CREDENTIALS_REFUSED,
    Reason.CIRCUIT_OPEN,
    Reason.MEMBERSHIP_UNCERTAIN,
    Reason.STORAGE_ACCESS_REFUSED,
    Reason.PRESIGNED_EXPIRED,
)
RETRIED: Final[Mapping[Stage, tuple[Reason, ...]]] = {
    Stage.DOWNLOAD: (
        Reason.SOURCE_UNREACHABLE,
        Reason.SOURCE_TIMEOUT,
        Reason.SOURCE_UNAVAILABLE,
        Reason.GENESYS_UNAVAILABLE,
        Reason.INTERNAL,
    ),
    Stage.RENDER: (Reason.RENDERER_UNAVAILABLE, Reason.INTERNAL),
    Stage.STORE: (Reason.STORAGE_UNAVAILABLE, Reason.STORAGE_FULL, Reason.INTERNAL),
    Stage.LINK: (
        Reason.GENESYS_UNAVAILABLE,
        Reason.GENESYS_AMBIGUOUS,
        Reason.STORAGE_UNAVAILABLE,
        Reason.POST_UNCERTAIN,
        Reason.PREVIEW_MISSING,
        Reason.INTERNAL,
    ),
    Stage.LIFECYCLE: (Reason.STORAGE_UNAVAILABLE, Reason.INTERNAL),
}
DEAD: Final[Mapping[Stage, tuple[Reason, ...]]] = {
    Stage.DECODE: (Reason.UNDECODABLE,),
    Stage.DOWNLOAD: (Reason.RETRIES_EXHAUSTED, Reason.GENESYS_REFUSED),
    Stage.RENDER: (Reason.RETRIES_EXHAUSTED,),
    Stage.STORE: (Reason.RETRIES_EXHAUSTED, Reason.STORAGE_REFUSED, Reason.RECORD_TOO_LARGE),
    Stage.LINK: (
        Reason.RETRIES_EXHAUSTED,
        Reason.GENESYS_REFUSED,
        Reason.CONVERSATION_CLOSED,
        Reason.PREVIEW_MISSING,
        Reason.POST_UNVERIFIED,
        Reason.STORAGE_REFUSED,
    ),
    Stage.LIFECYCLE: (Reason.RETRIES_EXHAUSTED, Reason.STORAGE_REFUSED),
}
TIMED: Final = (Stage.DOWNLOAD, Stage.RENDER, Stage.STORE, Stage.LINK)
POST_KINDS: Final = ("timeout", "dropped", "server_error", "without_id", "interrupted", "late")
LOST_CAUSES: Final = ("timeout", "starved", "memory", "crashed", "garbage")
GENESYS_STATUSES: Final = ("200", "401", "403", "404", "429", "500", "503", "timeout", "dropped")
STORAGE_CALLS: Final = ("put", "exists", "delete")
STORAGE_STATUSES: Final = (
    "ok",
    Reason.STORAGE_UNAVAILABLE,
    Reason.STORAGE_FULL,
    Reason.STORAGE_REFUSED,
    Reason.STORAGE_ACCESS_REFUSED,
)


def begin_bridge(metrics: Metrics, sources: Iterable[EventSource]) -> None:
    """Begin the series of a bridge that takes webhooks of these sources."""
    for source in sources:
        for status in WEBHOOK_STATUSES:
            metrics.bridge_requests.labels(str(status), source)
        metrics.bridge_request_seconds.labels(source)
        metrics.bridge_received_bytes.labels(source)
    for status in OTHER_STATUSES:
        metrics.bridge_requests.labels(str(status), "none")


def begin_worker(metrics: Metrics, topics: Iterable[str], tables: Iterable[str]) -> None:
    """Begin the series of a worker whose agents read these topics."""
    for topic in topics:
        for of_topic in (metrics.consumer_assigned, metrics.consumer_paused):
            of_topic.labels(topic)
        metrics.consumer_backpressure.labels(topic)
        metrics.due_fired.labels(topic)
    for table in tables:
        for of_table in (metrics.table_rows, metrics.table_changelog):
            of_table.labels(table)
        metrics.rows_skipped.labels(table)
    _begin_work(metrics)
    _begin_calls(metrics)


def _begin_work(metrics: Metrics) -> None:
    for outcome, verdicts in (("linked", VERDICTS), ("rejected", REJECTED)):
        for verdict in verdicts:
            metrics.outcomes.labels(outcome, verdict)
    for counter, pairs in ((metrics.retries, RETRIED), (metrics.dead_letters, DEAD)):
        for stage, reasons in pairs.items():
            for reason in reasons:
                counter.labels(reason, stage)
    for command, state in ANSWERED:
        metrics.orders.labels(command, state)
    _begin(metrics.repeats, IN_PLACE)
    _begin(metrics.holds, HELD)
    _begin(metrics.stage_seconds, TIMED)
    _begin(metrics.render_children_lost, LOST_CAUSES)
    _begin(metrics.posts_ambiguous, POST_KINDS)


def _begin_calls(metrics: Metrics) -> None:
    for call in set(calls.ALL) - {calls.QUERY_CONVERSATIONS}:
        for status in GENESYS_STATUSES:
            metrics.genesys_calls.labels(call.name, status)
        metrics.genesys_call_seconds.labels(call.name)
    for name in STORAGE_CALLS:
        for status in STORAGE_STATUSES:
            metrics.storage_calls.labels(name, status)
        metrics.storage_call_seconds.labels(name)


def _begin(metric: MetricWrapperBase, values: Iterable[str]) -> None:
    for value in values:
        metric.labels(value)
