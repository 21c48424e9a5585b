"""Payloads as each source sends them, and what becomes of them; a file each in golden/."""

import json
from pathlib import Path
from typing import Any

import msgspec
import pytest

from stream.arrival import EventSource
from stream.messages import Attachment
from stream.refusals import RefusedRequestError
from stream.sources.body import Ignored
from stream.webhook import parse

GOLDEN = sorted((Path(__file__).parent / "golden").glob("*.json"))
OWN_HOSTS = ("previews.example.com",)


def outcome(path: EventSource, payload: Any) -> dict[str, Any]:
    try:
        found = parse(path, json.dumps(payload).encode(), OWN_HOSTS)
    except RefusedRequestError as error:
        return {"refused": {"status": error.status, "code": error.code}}
    if isinstance(found, Ignored):
        return {"ignored": found.reason}
    return {"source": found.source, "attachments": [told(attachment) for attachment in found.attachments]}


def told(attachment: Attachment) -> dict[str, Any]:
    fields: dict[str, Any] = msgspec.to_builtins(attachment)
    return {name: value for name, value in fields.items() if value not in (None, "") and name != "version"}


@pytest.mark.parametrize("file", GOLDEN, ids=lambda file: file.stem)
def test_a_payload_is_read_as_the_golden_file_says(file: Path) -> None:
    golden = json.loads(file.read_text(encoding="utf-8"))
    assert outcome(EventSource(golden["path"]), golden["given"]) == golden["expected"]


def test_every_source_has_a_golden_file_that_is_taken_one_ignored_or_refused() -> None:
    every = [json.loads(file.read_text(encoding="utf-8")) for file in GOLDEN]
    assert {golden["expected"].get("source") for golden in every} >= {source.value for source in EventSource}
    assert {golden["path"] for golden in every if "source" not in golden["expected"]} == set(EventSource)
