"""The bridge's HTTP interface as an OpenAPI 3.1 document, made from the types that read and write the bodies."""

from collections.abc import Mapping, Sequence
from http import HTTPStatus
from typing import Any, Final

import msgspec

from stream.arrival import EventSource
from stream.bridge.answers import Ignored, Problem, Queued
from stream.bridge.intake import PATHS
from stream.health import ProbeBody
from stream.schemas import MESSAGES, tidied
from stream.sources.messages import MessageOnly
from stream.sources.notifications import EventBridge, Notification
from stream.sources.open_messaging import OpenMessage
from stream.sources.tutorial import Tutorial

PATH: Final = "/openapi.json"
Node = dict[str, Any]

SUMMARIES: Final[Mapping[EventSource, str]] = {
    EventSource.TUTORIAL: "Take the tutorial's webhook, or any of the other kinds",
    EventSource.OPEN_MESSAGING: "Take an Open Messaging webhook",
    EventSource.NOTIFICATIONS: "Take a notification event, bare or in an EventBridge event",
    EventSource.MESSAGES: "Take the ids of a message whose files the API is to name",
}
# What is asked for beyond the types that read a body: fields that tell the kinds apart.
NAMED_TOPIC: Final[Node] = {"required": ["topicName"], "properties": {"topicName": {"type": "string", "minLength": 1}}}
BODIES: Final[Mapping[EventSource, Sequence[Node]]] = {
    EventSource.TUTORIAL: [{"$ref": "#/components/schemas/Tutorial"}],
    EventSource.OPEN_MESSAGING: [
        {
            "allOf": [{"$ref": "#/components/schemas/OpenMessage"}],
            "required": ["conversationId"],
            "properties": {"conversationId": {"type": "string"}},
        }
    ],
    EventSource.NOTIFICATIONS: [
        {"allOf": [{"$ref": "#/components/schemas/Notification"}, NAMED_TOPIC]},
        {
            "allOf": [{"$ref": "#/components/schemas/EventBridge"}],
            "properties": {"detail": NAMED_TOPIC},
        },
    ],
    EventSource.MESSAGES: [{"$ref": "#/components/schemas/MessageOnly"}],
}
IGNORED: Final = ("other_event", "other_topic", "heartbeat", "receipt", "no_attachment", "outbound", "own_preview")
# The codes of each error, as docs/webhook.md explains them.
PROBLEMS: Final[Mapping[int, Sequence[str]]] = {
    400: ("not_json", "incomplete_body"),
    401: (
        "signature_missing",
        "signature_wrong",
        "timestamp_wrong",
        "token_missing",
        "token_wrong",
        "certificate_missing",
        "certificate_wrong",
        "proxy_wrong",
    ),
    404: ("not_found",),
    405: ("method_not_allowed",),
    408: ("body_timeout",),
    413: ("too_large",),
    415: ("unsupported_media_type",),
    422: ("wrong_shape", "too_many_files"),
    429: ("too_many_requests",),
    500: ("internal",),
    503: ("kafka_unavailable", "kafka_queue_full", "kafka_refused", "spool_full", "overloaded", "shutting_down"),
}
HEADERS_OF: Final[Mapping[int, str]] = {401: "WWW-Authenticate", 405: "Allow", 429: "Retry-After", 503: "Retry-After"}
PROOFS: Final[Mapping[str, Node]] = {
    "hub": {
        "type": "apiKey",
        "in": "header",
        "name": "X-Hub-Signature-256",
        "description": "sha256= and the base64 of HMAC-SHA256 over the raw body",
    },
    "standardId": {"type": "apiKey", "in": "header", "name": "webhook-id", "description": "Standard Webhooks"},
    "standardTimestamp": {"type": "apiKey", "in": "header", "name": "webhook-timestamp", "description": "Unix seconds"},
    "standardSignature": {
        "type": "apiKey",
        "in": "header",
        "name": "webhook-signature",
        "description": "v1, and the base64 of HMAC-SHA256 over id.timestamp.body; several separated by spaces",
    },
    "bearer": {"type": "http", "scheme": "bearer"},
    "mtls": {"type": "mutualTLS", "description": "Verified by a trusted proxy, which tells the identity in a header"},
}
ANY_OF_PROOFS: Final[Sequence[Node]] = (
    {"hub": []},
    {"standardId": [], "standardTimestamp": [], "standardSignature": []},
    {"bearer": []},
    {"mtls": []},
    {},
)
CARRIED: Final = ("X-Request-Id", "traceparent", "tracestate")


def document() -> Node:
    """Return the document; the same for every deployment, whichever sources it opens."""
    return {
        "openapi": "3.1.0",
        "info": {
            "title": "Bridge of webhooks to Kafka",
            "version": "1",
            "description": "Answers 202 only when Kafka has acknowledged every attachment of the event. "
            "Unknown fields are accepted everywhere. A source without credentials of its own may be closed: 404.",
        },
        "paths": {
            **{PATHS[source]: {"post": _webhook(source)} for source in EventSource},
            "/startupz": _read("started", "Tell whether Kafka has been reached once", _probe()),
            "/healthz": _read("live", "Tell whether the process lives", _probe()),
            "/readyz": _read("ready", "Tell whether webhooks can be taken", _probe()),
            "/metrics": _read("metrics", "Tell the metrics", {"200": _answer("Prometheus", "text/plain", {})}),
            PATH: _read("openapi", "Tell this document", _document()),
            "/asyncapi.json": _read("asyncapi", "Tell what flows through the topics", _document()),
            **{f"/schemas/{name}.json": _read(f"schema-{name}", f"Tell of {name}", _document()) for name in MESSAGES},
        },
        "components": {
            "schemas": _schemas(),
            "responses": {_name(status): _problem(status, codes) for status, codes in PROBLEMS.items()},
            "parameters": {name: _carried(name) for name in CARRIED},
            "headers": {
                name: {"schema": {"type": "string"}} for name in ("X-Request-Id", *sorted(set(HEADERS_OF.values())))
            },
            "securitySchemes": dict(PROOFS),
        },
    }


def _webhook(source: EventSource) -> Node:
    every = [kind for kinds in BODIES.values() for kind in kinds]
    kinds = every if source is EventSource.TUTORIAL else list(BODIES[source])
    problems = {str(status): {"$ref": f"#/components/responses/{_name(status)}"} for status in PROBLEMS}
    del problems[str(HTTPStatus.METHOD_NOT_ALLOWED.value)]  # the answer to other methods
    return {
        "operationId": f"post-{source.value}",
        "summary": SUMMARIES[source],
        "security": list(ANY_OF_PROOFS),
        "parameters": [{"$ref": f"#/components/parameters/{name}"} for name in CARRIED],
        "requestBody": {"required": True, "content": {"application/json": {"schema": _any_of(kinds)}}},
        "responses": {
            "200": _answer("Well-formed, and nothing for us", "application/json", _ref("Ignored")),
            "202": _answer("Kafka holds all attachments of the event", "application/json", _ref("Queued")),
            **problems,
        },
    }


def _any_of(kinds: Sequence[Node]) -> Node:
    return kinds[0] if len(kinds) == 1 else {"anyOf": list(kinds)}


def _read(name: str, summary: str, responses: Node) -> Node:
    """Return a path that is read; HEAD gives the headers of GET."""
    bare = {
        status: {key: part for key, part in answer.items() if key != "content"} for status, answer in responses.items()
    }
    return {
        "get": {"operationId": f"get-{name}", "summary": summary, "responses": responses},
        "head": {"operationId": f"head-{name}", "summary": summary, "responses": bare},
    }


def _probe() -> Node:
    return {
        "200": _answer("Yes", "application/json", _ref("ProbeBody")),
        "503": _answer("No; the reasons are named", "application/json", _ref("ProbeBody")),
    }


def _document() -> Node:
    return {"200": _answer("The document", "application/json", {"type": "object"})}


def _answer(description: str, media_type: str, schema: Node, *headers: str) -> Node:
    named = {name: {"$ref": f"#/components/headers/{name}"} for name in ("X-Request-Id", *headers)}
    return {"description": description, "headers": named, "content": {media_type: {"schema": schema}}}


def _problem(status: int, codes: Sequence[str]) -> Node:
    limited = {"properties": {"code": {"enum": list(codes)}, "status": {"const": status}}}
    headers = [HEADERS_OF[status]] if status in HEADERS_OF else []
    schema = {"allOf": [_ref("Problem"), limited]}
    return _answer(HTTPStatus(status).phrase, "application/problem+json", schema, *headers)


def _carried(name: str) -> Node:
    return {
        "name": name,
        "in": "header",
        "required": False,
        "schema": {"type": "string"},
        "description": "Carried along",
    }


def _schemas() -> Node:
    shapes = (Tutorial, OpenMessage, Notification, EventBridge, MessageOnly, Queued, Ignored, Problem, ProbeBody)
    _, found = msgspec.json.schema_components(shapes, ref_template="#/components/schemas/{name}")
    schemas: Node = tidied(found)
    schemas["Ignored"]["properties"]["reason"]["enum"] = list(IGNORED)
    return schemas


def _ref(name: str) -> Node:
    return {"$ref": f"#/components/schemas/{name}"}


def _name(status: int) -> str:
    return HTTPStatus(status).name.title().replace("_", "")
