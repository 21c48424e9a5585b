"""The pages under docs/ that state facts of the code: schemas, examples, reason codes."""

import json
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import msgspec
import pytest

from stream.failures import Reason
from stream.messages import (
    Attachment,
    decode_attachment,
    decode_dead_letter,
    decode_lifecycle_command,
    decode_preview,
    decode_result,
    encode,
)
from stream.records import headers
from stream.schemas import MESSAGES, schemas, write
from stream.settings import KafkaSettings
from stream.specifications import files
from stream.topics import specs

DOCS = Path(__file__).parents[2] / "docs"
MESSAGES_PAGE = (DOCS / "messages.md").read_text(encoding="utf-8")
LIFECYCLE_PAGE = (DOCS / "lifecycle.md").read_text(encoding="utf-8")
EXAMPLES = re.findall(r"^```json (\S+)\n(.*?)^```", MESSAGES_PAGE + LIFECYCLE_PAGE, re.MULTILINE | re.DOTALL)
DECODERS: dict[str, Callable[[bytes], object]] = {
    "attachment": decode_attachment,
    "preview": decode_preview,
    "lifecycle-command": decode_lifecycle_command,
    "result": decode_result,
    "dead-letter": decode_dead_letter,
}


@pytest.mark.parametrize("name", sorted(files()))
def test_the_committed_documents_are_those_of_the_code(name: str) -> None:
    assert (DOCS / name).read_text(encoding="utf-8") == files()[name], "run: python -m stream schemas"


def test_no_schema_is_left_over() -> None:
    assert {path.name for path in (DOCS / "schemas").iterdir()} == set(schemas())


def test_schemas_are_written_where_they_are_asked_for(tmp_path: Path) -> None:
    paths = write(tmp_path / "deep", files())
    assert {str(path.relative_to(tmp_path / "deep")) for path in paths} == set(files())
    assert all(json.loads(path.read_text()) for path in paths)


def test_the_schema_asks_for_an_address_or_a_message_id_as_the_decoder_does() -> None:
    alternatives = json.loads(schemas()["attachment.json"])["anyOf"]
    assert [alternative["required"] for alternative in alternatives] == [["attachmentUrl"], ["messageId"]]
    decode_attachment(b'{"conversationId":"c","messageId":"m"}')
    for value in (b'{"conversationId":"c"}', b'{"conversationId":"c","attachmentUrl":""}', b"", b"[]", b"null"):
        with pytest.raises(msgspec.DecodeError):
            decode_attachment(value)


def test_there_is_an_example_of_every_message() -> None:
    assert {name for name, _ in EXAMPLES} == set(MESSAGES) == set(DECODERS)


@pytest.mark.parametrize(("name", "text"), EXAMPLES)
def test_every_example_decodes_into_all_that_it_says(name: str, text: str) -> None:
    # Unknown fields would be dropped in silence, so a misspelt one shows as missing after the way there and back.
    known = json.loads(encode(DECODERS[name](text.encode())))
    assert overlaid(known, json.loads(text)) == known


def overlaid(value: Any, told: Any) -> Any:
    """Return `value` with all that is told put over it."""
    if not isinstance(told, dict):
        return told
    return {**value, **{name: overlaid(value.get(name), item) for name, item in told.items()}}


def test_the_event_id_of_the_page_is_the_one_that_is_computed() -> None:
    text = next(text for name, text in EXAMPLES if name == "attachment")
    attachment = decode_attachment(text.encode())
    assert isinstance(attachment, Attachment)
    assert f"`{attachment.event_id}`" in MESSAGES_PAGE


def test_the_page_names_every_topic_and_every_header_of_ours() -> None:
    topics = {spec.name for spec in specs(KafkaSettings()) if not spec.name.endswith("-changelog")}
    assert not [name for name in topics | headers.OURS if f"`{name}`" not in MESSAGES_PAGE]


def test_every_reason_is_explained_once() -> None:
    page = (DOCS / "reasons.md").read_text(encoding="utf-8")
    explained = re.findall(r"^\| `([a-z0-9_]+)` \| [^|]+ \| [^|]+ \|$", page, re.MULTILINE)
    assert sorted(explained) == sorted(Reason)
