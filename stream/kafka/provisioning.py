"""Creates the topics that are missing and says how the others differ from what is wanted."""

import time
from collections.abc import Callable, Sequence
from typing import Final, Literal

import msgspec
from confluent_kafka import KafkaError, KafkaException
from confluent_kafka.admin import (  # type: ignore[attr-defined]  # re-exported, only not marked as such
    AdminClient,
    ClusterMetadata,
    ConfigResource,
    NewTopic,
    ResourceType,
    TopicMetadata,
)
from msgspec import Struct

from stream.console import columns
from stream.kafka.clients import KafkaUnreachableError, checked, client_config
from stream.settings import KafkaSettings
from stream.topics import TopicSpec, specs

CALL_SECONDS: Final = 5.0
POLL_SECONDS: Final = 0.1


class Difference(Struct, frozen=True):
    """One property of a topic that is not as wanted."""

    property: str
    wanted: str
    found: str


class TopicReport(Struct, frozen=True):
    """What became of one topic: whether it was created, is missing, was refused by Kafka, or differs."""

    topic: str
    state: Literal["created", "ok", "differs", "missing", "refused"]
    differences: tuple[Difference, ...] = ()

    @property
    def is_wanted(self) -> bool:
        """Return whether nothing is left to do for an operator."""
        return self.state in {"created", "ok"}


class Cluster:
    """The brokers, as far as topics are concerned; every call ends by `deadline`, in seconds of `clock`."""

    def __init__(
        self, settings: KafkaSettings, *, wait_seconds: float, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self._servers = settings.kafka_bootstrap_servers
        self._clock = clock
        self._wait_seconds = wait_seconds
        self._deadline = clock() + wait_seconds
        self._last_error = ""
        # Errors arrive through the callback; librdkafka's own lines on stderr would only repeat them.
        config = client_config(settings, client_id="topics") | {"log_level": 0}
        self._admin = checked(lambda: AdminClient(config, error_cb=self._remember))

    def provision(self, wanted: Sequence[TopicSpec], *, create: bool) -> list[TopicReport]:
        """Create what is missing, if `create`, and compare all with what is wanted; changes nothing that exists.

        Raises:
            KafkaUnreachableError: When the brokers do not answer before the deadline.
        """
        existing = self._metadata().topics
        missing = [spec for spec in wanted if spec.name not in existing]
        refused = (
            self._create(missing) if create else {spec.name: TopicReport(spec.name, "missing") for spec in missing}
        )
        standing = [spec for spec in wanted if spec.name not in refused]
        compared = self._compare(standing, created={spec.name for spec in missing})
        return [refused.get(spec.name) or compared[spec.name] for spec in wanted]

    def _create(self, missing: Sequence[TopicSpec]) -> dict[str, TopicReport]:
        if not missing:
            return {}
        new = [NewTopic(spec.name, spec.partitions, spec.replication_factor, config=spec.config) for spec in missing]
        futures = self._admin.create_topics(new, request_timeout=CALL_SECONDS * 2)
        answers = {name: _error(future.exception()) for name, future in futures.items()}
        # Another copy of this command may have been faster; its topic is compared like any that stood before.
        return {
            name: TopicReport(name, "refused", (Difference("topic", "created", error.str()),))
            for name, error in answers.items()
            if error is not None and error.code() != KafkaError.TOPIC_ALREADY_EXISTS
        }

    def _compare(self, standing: Sequence[TopicSpec], *, created: set[str]) -> dict[str, TopicReport]:
        found = self._visible({spec.name for spec in standing})
        configs = self._configs([spec.name for spec in standing])
        reports = {}
        for spec in standing:
            differences = (*_shape(spec, found[spec.name]), *_config(spec, configs[spec.name]))
            state: Literal["created", "ok"] = "created" if spec.name in created else "ok"
            reports[spec.name] = TopicReport(spec.name, "differs" if differences else state, differences)
        return reports

    def _visible(self, names: set[str]) -> dict[str, TopicMetadata]:
        # A topic that was just created shows up a moment later, its partitions without a leader at first.
        while True:
            found = self._metadata().topics
            if all(name in found and found[name].error is None for name in names):
                return {name: found[name] for name in names}
            self._within_deadline()
            self._admin.poll(POLL_SECONDS)

    def _configs(self, names: Sequence[str]) -> dict[str, dict[str, str]]:
        if not names:
            return {}
        while True:
            try:
                return self._described(names)
            except KafkaException as error:  # a broker that has not heard of a new topic yet, or one that went away
                self._within_deadline(error)
                self._admin.poll(POLL_SECONDS)

    def _described(self, names: Sequence[str]) -> dict[str, dict[str, str]]:
        asked = [ConfigResource(ResourceType.TOPIC, name) for name in names]
        answers = self._admin.describe_configs(asked, request_timeout=CALL_SECONDS * 2)
        return {
            resource.name: {key: str(entry.value) for key, entry in future.result().items()}
            for resource, future in answers.items()
        }

    def _metadata(self) -> ClusterMetadata:
        while True:
            left = self._deadline - self._clock()
            try:
                return self._admin.list_topics(timeout=max(POLL_SECONDS, min(CALL_SECONDS, left)))
            except KafkaException as error:
                self._within_deadline(error)
                self._admin.poll(POLL_SECONDS)

    def _within_deadline(self, error: KafkaException | None = None) -> None:
        if self._clock() >= self._deadline:
            raise self._unreachable(error) from error

    def _unreachable(self, error: KafkaException | None) -> KafkaUnreachableError:
        self._admin.poll(0)  # serves the error callback
        detail = self._last_error or (str(error.args[0].str()) if error else "topics did not show up")
        return KafkaUnreachableError(f"Kafka at {self._servers} gave no answer in {self._wait_seconds:g} s: {detail}")

    def _remember(self, error: KafkaError) -> None:
        if error.code() != KafkaError._ALL_BROKERS_DOWN:  # noqa: SLF001 - the public name of a librdkafka code
            self._last_error = error.str()


def provision(settings: KafkaSettings, *, create: bool, wait_seconds: float) -> list[TopicReport]:
    """Create or check the topics of a deployment; blocks for up to `wait_seconds` until Kafka answers."""
    return Cluster(settings, wait_seconds=wait_seconds).provision(specs(settings), create=create)


def table(reports: Sequence[TopicReport]) -> str:
    """Lay out the reports for people: a line a topic, and one for each difference."""
    rows = [("TOPIC", "STATE", "PROPERTY", "WANTED", "FOUND")]
    for report in reports:
        rows.append((report.topic, report.state, "", "", ""))
        rows.extend(("", "", item.property, item.wanted, item.found) for item in report.differences)
    return columns(rows)


def _error(failure: BaseException | None) -> KafkaError | None:
    if isinstance(failure, KafkaException):
        error: KafkaError = failure.args[0]
        return error
    if failure is not None:
        raise failure
    return None


def _shape(spec: TopicSpec, found: TopicMetadata) -> list[Difference]:
    replicas = min((len(partition.replicas) for partition in found.partitions.values()), default=0)
    pairs = (
        ("partitions", spec.partitions, len(found.partitions)),
        ("replication factor", spec.replication_factor, replicas),
    )
    return [Difference(name, str(wanted), str(given)) for name, wanted, given in pairs if wanted != given]


def _config(spec: TopicSpec, found: dict[str, str]) -> list[Difference]:
    return [
        Difference(name, wanted, found.get(name, "unset"))
        for name, wanted in spec.config.items()
        if _parts(found.get(name)) != _parts(wanted)
    ]


def _parts(value: str | None) -> list[str] | None:
    """Return the parts of a list, which Kafka's policies are, in an order of ours."""
    return None if value is None else sorted(value.split(","))


def as_json(reports: Sequence[TopicReport]) -> str:
    """Return the reports as one JSON array."""
    return msgspec.json.encode(reports).decode()
