"""Names and wanted properties of the topics; pure, no client."""

from dataclasses import dataclass
from typing import Final, Self

from stream.settings import KafkaSettings

LINKS_TABLE: Final = "links"
DUE_TABLE: Final = "due"
CONVERSATIONS_TABLE: Final = "conversations"
TABLES: Final = (LINKS_TABLE, DUE_TABLE, CONVERSATIONS_TABLE)

# Kafka's own default. A dead letter holds its record in base64, a third larger, and has its key once more.
RECORD_MAX_BYTES: Final = 1_048_588
DEAD_LETTER_MAX_BYTES: Final = 3 * RECORD_MAX_BYTES
# Compaction leaves the open segment alone and recovery reads it whole, so it stays well under the default of 1 GiB.
CHANGELOG_SEGMENT_BYTES: Final = 67_108_864
# Kafka's own default. Rows on disk are continued after an absence of at most half of it, see agents/tables/rows.py.
CHANGELOG_TOMBSTONE_SECONDS: Final = 86_400
# Kafka would compact [dead-letters] once half of it is new. What was purged goes with the next letter after this time.
PURGED_SECONDS: Final = 3_600
MS_PER_HOUR: Final = 3_600_000
# Kafka deletes whole segments, once their youngest record is old: with its own 7 days a segment, up to 7 days late.
SEGMENTS: Final = 8
LATEST_DELETION: Final = 1.25
"""Times its retention, a record is gone: after a segment's time more, and as much again for Kafka, which looks every
5 minutes and deletes a minute later."""


@dataclass(frozen=True, slots=True)
class Topics:
    """The names of all topics of a deployment."""

    attachments: str
    previews: str
    lifecycle: str
    results: str
    dead_letters: str
    links_changelog: str
    due_changelog: str
    conversations_changelog: str

    @property
    def changelogs(self) -> tuple[str, str, str]:
        """The changelogs of the workers' tables."""
        return self.links_changelog, self.due_changelog, self.conversations_changelog

    @property
    def read(self) -> tuple[str, str, str]:
        """The topics that agents read."""
        return self.attachments, self.previews, self.lifecycle

    @classmethod
    def of(cls, settings: KafkaSettings) -> Self:
        """Name the topics: after the prefix, and the tables' changelogs after the group as Faust does."""
        prefix = settings.topic_prefix
        return cls(
            attachments=f"{prefix}attachments",
            previews=f"{prefix}previews",
            lifecycle=f"{prefix}lifecycle",
            results=f"{prefix}results",
            dead_letters=f"{prefix}dead-letters",
            links_changelog=changelog(settings.group, LINKS_TABLE),
            due_changelog=changelog(settings.group, DUE_TABLE),
            conversations_changelog=changelog(settings.group, CONVERSATIONS_TABLE),
        )


@dataclass(frozen=True, slots=True)
class TopicSpec:
    """How a topic is wanted; `config` holds Kafka's topic settings as Kafka spells them."""

    name: str
    partitions: int
    replication_factor: int
    config: dict[str, str]


def changelog(group: str, table: str) -> str:
    """Name the changelog of a table as Faust does (faust/tables/base.py, _changelog_topic_name)."""
    return f"{group}-{table}-changelog"


def specs(settings: KafkaSettings) -> list[TopicSpec]:
    """Return the wanted topics; all have the same number of partitions, or Faust would not co-assign them."""
    topics = Topics.of(settings)
    kept = _deleting(settings.topic_retention_hours, RECORD_MAX_BYTES)
    return [
        *(_spec(settings, name, kept) for name in (topics.attachments, topics.previews, topics.lifecycle)),
        _spec(settings, topics.results, kept),
        _spec(settings, topics.dead_letters, _purgeable(settings.dead_letter_retention_hours)),
        *(_spec(settings, name, _compacting()) for name in topics.changelogs),
    ]


def _spec(settings: KafkaSettings, name: str, config: dict[str, str]) -> TopicSpec:
    shared = {
        "min.insync.replicas": str(settings.topic_min_insync_replicas),
        # The broker unpacks what other producers compress: aiokafka has no codec but gzip, and one record in snappy,
        # lz4 or zstd would end every worker that is assigned its partition.
        "compression.type": "uncompressed",
    }
    return TopicSpec(name, settings.topic_partitions, settings.topic_replication_factor, config | shared)


def _deleting(retention_hours: int, max_bytes: int) -> dict[str, str]:
    return {
        "cleanup.policy": "delete",
        "retention.ms": str(retention_hours * MS_PER_HOUR),
        "segment.ms": str(retention_hours * MS_PER_HOUR // SEGMENTS),
        # By a producer's own clock a record of last year would be deleted unread, and one of next year refused.
        "message.timestamp.type": "LogAppendTime",
        "max.message.bytes": str(max_bytes),
    }


def _purgeable(retention_hours: int) -> dict[str, str]:
    """Each dead letter has a key of its own, so compaction removes those alone of which a tombstone was written."""
    return _deleting(retention_hours, DEAD_LETTER_MAX_BYTES) | {
        "cleanup.policy": "compact,delete",
        "max.compaction.lag.ms": str(PURGED_SECONDS * 1000),
    }


def _compacting() -> dict[str, str]:
    return {
        "cleanup.policy": "compact",
        "delete.retention.ms": str(CHANGELOG_TOMBSTONE_SECONDS * 1000),
        "segment.bytes": str(CHANGELOG_SEGMENT_BYTES),
        "max.message.bytes": str(RECORD_MAX_BYTES),
    }
