"""The topics as an AsyncAPI 3.0 document: channels, messages, keys and headers, made from the code that uses them."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from stream.records import attachments, cloud_events, headers
from stream.settings import KafkaSettings
from stream.topics import Topics, TopicSpec, specs

PATH: Final = "/asyncapi.json"
Node = dict[str, Any]

KEY: Final = "The conversation id in UTF-8; the partition follows from murmur2 of it, as in Kafka's Java client"
CARRIED: Final = (
    "ce_specversion",
    cloud_events.ID,
    "ce_source",
    "ce_type",
    "ce_time",
    "content-type",
    attachments.REQUEST_ID,
    "traceparent",
    "tracestate",
)
DELIVERY: Final = (headers.ATTEMPT, headers.FIRST_AT, headers.REPLAYS)
RETRIED: Final = (*DELIVERY, headers.TRIED_SINCE)
RENDERED: Final = (*RETRIED, headers.RENDERS)
LETTER: Final = (*DELIVERY, headers.EVENT_ID, headers.REASON, headers.STAGE, headers.ORIGIN)


@dataclass(frozen=True, slots=True)
class Channel:
    """What is told of a topic beside its name and settings; `headers` are those that may stand on a record."""

    message: str
    summary: str
    key: str
    headers: Sequence[str]
    actions: Sequence[str]
    """What the product does."""


CHANNELS: Final[Mapping[str, Channel]] = {
    "attachments": Channel(
        "attachment",
        "Files that guests dropped, from the bridge and other producers",
        KEY,
        (*CARRIED, *RENDERED),
        ("receive",),
    ),
    "previews": Channel(
        "preview", "Stored previews that wait to be posted", KEY, (*CARRIED, *RENDERED), ("send", "receive")
    ),
    "lifecycle": Channel(
        "lifecycle-command",
        "What is to be done to previews when it is due, and orders about whole conversations",
        KEY,
        RETRIED,
        ("send", "receive"),
    ),
    "results": Channel(
        "result",
        "One outcome an event, what happens to its preview, and the answers to orders",
        KEY,
        (headers.EVENT_ID,),
        ("send",),
    ),
    "dead_letters": Channel(
        "dead-letter", "Records that are ours to mend", "An id of the letter's own", LETTER, ("send", "receive")
    ),
}


def document(settings: KafkaSettings | None = None) -> Node:
    """Return the document; topics are named as by default unless settings are given."""
    of = settings or KafkaSettings()
    topics = Topics.of(of)
    wanted = {spec.name: spec for spec in specs(of)}
    return {
        "asyncapi": "3.0.0",
        "info": {
            "title": "Topics of the attachment previews",
            "version": "1",
            "description": "Values are JSON in UTF-8; docs/messages.md and docs/producers.md say more. `send` and "
            "`receive` are what the product does.",
        },
        "defaultContentType": "application/json",
        "channels": {name: _channel(name, wanted[getattr(topics, name)]) for name in CHANNELS},
        "operations": {
            f"{action}-{name}": {"action": action, "channel": {"$ref": f"#/channels/{name}"}}
            for name, channel in CHANNELS.items()
            for action in channel.actions
        },
        "components": {"messages": {channel.message: _message(channel) for channel in CHANNELS.values()}},
    }


def _channel(name: str, spec: TopicSpec) -> Node:
    told = CHANNELS[name]
    binding = {
        "topic": spec.name,
        "partitions": spec.partitions,
        "replicas": spec.replication_factor,
        "topicConfiguration": _configuration(spec.config),
        "bindingVersion": "0.5.0",
    }
    return {
        "address": spec.name,
        "description": told.summary,
        "messages": {told.message: {"$ref": f"#/components/messages/{told.message}"}},
        "bindings": {"kafka": binding},
    }


def _configuration(config: Mapping[str, str]) -> Node:
    """Return the settings that the binding's schema knows, in its types."""
    known: Node = {
        "cleanup.policy": config["cleanup.policy"].split(","),
        "max.message.bytes": int(config["max.message.bytes"]),
    }
    return known | ({"retention.ms": int(config["retention.ms"])} if "retention.ms" in config else {})


def _message(channel: Channel) -> Node:
    return {
        "name": channel.message,
        "summary": channel.summary,
        "contentType": "application/json",
        "payload": {
            "schemaFormat": "application/schema+json;version=draft-2020-12",
            "schema": {"$ref": f"schemas/{channel.message}.json"},
        },
        "headers": {"type": "object", "properties": {name: {"type": "string"} for name in channel.headers}},
        "bindings": {"kafka": {"key": {"type": "string", "description": channel.key}, "bindingVersion": "0.5.0"}},
    }
