"""The OpenAPI and AsyncAPI documents, held against the code that they describe and the pages that explain it."""

import ast
import json
import re
from collections import defaultdict
from collections.abc import Iterator
from http import HTTPStatus
from pathlib import Path
from typing import Any, TypeGuard

import openapi_spec_validator
import pytest

from stream import asyncapi
from stream.arrival import Arrival, EventSource
from stream.bridge import openapi
from stream.failures import Reason
from stream.messages import Attachment
from stream.records import headers
from stream.records.attachments import record_of
from stream.settings import KafkaSettings
from stream.specifications import files, served
from stream.topics import specs
from tests.stream.test_bridge_app import client_of

ROOT = Path(__file__).parents[2]
BRIDGE = [ROOT / "stream" / "webhook.py", *(ROOT / "stream" / name for name in ("bridge", "sources", "authenticity"))]
WEBHOOK_PAGE = (ROOT / "docs" / "webhook.md").read_text(encoding="utf-8")
TRACED = Arrival(
    source=EventSource.TUTORIAL,
    request_id="r",
    received_at=1.0,
    traceparent=f"00-{'1' * 32}-{'1' * 16}-01",
    tracestate="a=b",
)


def nodes() -> Iterator[tuple[str, ast.Call]]:
    """Yield each call in the bridge's code with its name."""
    for place in BRIDGE:
        for file in [place] if place.is_file() else sorted(place.rglob("*.py")):
            for node in ast.walk(ast.parse(file.read_text(encoding="utf-8"))):
                if isinstance(node, ast.Call):
                    yield ast.unparse(node.func).rpartition(".")[2], node


def calls() -> Iterator[tuple[str, list[Any]]]:
    """Yield the arguments of each call as far as they are constants."""
    for name, node in nodes():
        yield name, [_constant(argument) for argument in node.args]


def _constant(argument: ast.expr) -> Any:
    text = ast.unparse(argument)
    if text.removeprefix("HTTPStatus.") in HTTPStatus.__members__:
        return HTTPStatus[text.removeprefix("HTTPStatus.")].value
    return argument.value if isinstance(argument, ast.Constant) else None


def texts() -> Iterator[tuple[str, str]]:
    """Yield each text that stands anywhere in the arguments of a call, with the call's name."""
    for name, node in nodes():
        for argument in node.args:
            yield from ((name, str(part.value)) for part in ast.walk(argument) if _is_text(part))


def _is_text(node: ast.AST) -> TypeGuard[ast.Constant]:
    return isinstance(node, ast.Constant) and isinstance(node.value, str)


def refused_in_code() -> dict[int, set[str]]:
    found: dict[int, set[str]] = defaultdict(set)
    for name, arguments in calls():
        if name in {"RefusedRequestError", "failed"} and len(arguments) > 1 and isinstance(arguments[1], str):
            found[arguments[0]].add(arguments[1])
        if name in {"missing", "wrong"} and arguments and isinstance(arguments[0], str):
            found[401].add(f"{arguments[0]}_{name}")
    return found


def test_the_documents_are_valid() -> None:
    openapi_spec_validator.validate(openapi.document())
    assert asyncapi.document()["asyncapi"] == "3.0.0"


def test_every_code_that_the_bridge_answers_is_in_the_document_and_no_other() -> None:
    of_kafka = {reason for reason in Reason if reason.value in openapi.PROBLEMS[503]}
    told = {status: set(codes) for status, codes in openapi.PROBLEMS.items()}
    told[503] -= of_kafka
    assert told == refused_in_code()
    page = (ROOT / "docs" / "reasons.md").read_text(encoding="utf-8").partition("\n## Webhook\n")[2]
    assert of_kafka == set(re.findall(r"^\| `(\w+)`", page.partition("\n## ")[0], re.MULTILINE))


def test_every_reason_to_ignore_an_event_is_in_the_document_and_no_other() -> None:
    given = {text for name, text in texts() if name == "Ignored"}
    assert given == set(openapi.IGNORED)


def test_the_page_tells_the_same_codes() -> None:
    table = WEBHOOK_PAGE.partition("\n## Answers\n")[2]
    rows = re.findall(r"^\| ([\d, ]+) \| ([^|]+) \|", table, re.MULTILINE)
    told = {status: set(re.findall(r"`([a-z_]+)`", codes)) for status, codes in rows if codes.startswith("code")}
    together = {"404, 405": {*openapi.PROBLEMS[404], *openapi.PROBLEMS[405]}}
    alone = {str(status): set(codes) for status, codes in openapi.PROBLEMS.items() if status not in {404, 405}}
    assert told == alone | together
    ignored = next(codes for status, codes in rows if status == "200")
    assert set(re.findall(r"`(\w+)`", ignored)) == set(openapi.IGNORED)


async def test_every_path_of_the_app_is_in_the_document_and_no_other() -> None:
    client = client_of(documents=served())
    methods = {
        path: {method.lower() for method in allowed.split(", ")} for path, (allowed, _) in client.app._routes.items()
    }
    assert methods == {path: set(operations) for path, operations in openapi.document()["paths"].items()}


async def test_the_documents_are_served_as_they_are_in_docs() -> None:
    client = client_of(documents=served())
    for name in files():
        reply = await client.get(f"/{name}")
        assert (reply.status, reply.body) == (200, (ROOT / "docs" / name).read_bytes())


def test_every_reference_of_the_topics_leads_somewhere() -> None:
    document = asyncapi.document()
    references = re.findall(r'"\$ref": "([^"]+)"', json.dumps(document))
    assert len(references) > 10
    for reference in references:
        if reference.startswith("#/"):
            node = document
            for part in reference[2:].split("/"):
                node = node[part]
        else:
            assert reference in files()


def test_every_topic_but_the_changelogs_is_a_channel_of_its_settings() -> None:
    settings = KafkaSettings(topic_prefix="prod.", topic_partitions=12)
    channels = asyncapi.document(settings)["channels"].values()
    wanted = {spec.name for spec in specs(settings) if not spec.name.endswith("-changelog")}
    assert {channel["address"] for channel in channels} == wanted
    assert {channel["bindings"]["kafka"]["partitions"] for channel in channels} == {12}


def test_every_header_that_is_written_is_in_the_document() -> None:
    told = {message: set(node["headers"]["properties"]) for message, node in _messages().items()}
    written = {
        name for name, _ in record_of(Attachment(conversation_id="c", attachment_url="http://a/"), TRACED).headers
    }
    assert written == set(asyncapi.CARRIED)
    assert written <= told["attachment"]
    assert set.union(*told.values()) >= headers.OURS


def _messages() -> dict[str, Any]:
    messages: dict[str, Any] = asyncapi.document()["components"]["messages"]
    return messages


@pytest.mark.parametrize("name", ["openapi.json", "asyncapi.json"])
def test_no_document_names_this_machine(name: str) -> None:
    assert "127.0.0.1" not in files()[name]
