"""JSON Schemas of the messages, for producers and consumers that are not ours."""

import json
from collections.abc import Mapping
from inspect import cleandoc
from pathlib import Path
from typing import Annotated, Any, Final

import msgspec
from msgspec import Meta

from stream.messages import Attachment, DeadLetter, LifecycleCommand, Preview, Result

# What decode_attachment asks for beyond the types: an address, or a message id to ask the API for one.
ADDRESSED: Final = {
    "anyOf": [
        {"required": ["attachmentUrl"], "properties": {"attachmentUrl": {"minLength": 1}}},
        {"required": ["messageId"], "properties": {"messageId": {"type": "string"}}},
    ]
}
MESSAGES: Final[dict[str, Any]] = {
    "attachment": Annotated[Attachment, Meta(extra_json_schema=ADDRESSED)],
    "preview": Preview,
    "lifecycle-command": LifecycleCommand,
    "result": Result,
    "dead-letter": DeadLetter,
}
DIALECT: Final = "https://json-schema.org/draft/2020-12/schema"


def schemas() -> dict[str, str]:
    """Return the text of each schema by file name."""
    return {f"{name}.json": schema(kind) for name, kind in MESSAGES.items()}


def schema(kind: Any) -> str:
    """Return the schema of a message as readable JSON, the same text at every run."""
    return json.dumps({"$schema": DIALECT} | tidied(msgspec.json.schema(kind)), indent=2) + "\n"


def write(folder: Path, texts: Mapping[str, str]) -> list[Path]:
    """Write files into the folder, which is made if missing; return their paths."""
    files = {folder / name: text for name, text in texts.items()}
    for path, text in files.items():
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="utf-8")
    return list(files)


def tidied(node: Any) -> Any:
    """Return a schema whose descriptions are indented in one way: Python 3.13 strips docstrings, older ones do not."""
    if isinstance(node, dict):
        return {key: cleandoc(value) if _is_text(key, value) else tidied(value) for key, value in node.items()}
    return [tidied(item) for item in node] if isinstance(node, list) else node


def _is_text(key: str, value: Any) -> bool:
    return key == "description" and isinstance(value, str)
