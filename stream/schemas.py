"""JSON Schemas of the messages, for producers and consumers that are not ours."""

import json
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
FOLDER: Final = Path("docs/schemas")


def schemas() -> dict[str, str]:
    """Return the text of each schema by file name."""
    return {f"{name}.json": schema(kind) for name, kind in MESSAGES.items()}


def schema(kind: Any) -> str:
    """Return the schema of a message as readable JSON, the same text at every run."""
    return json.dumps({"$schema": DIALECT} | _tidied(msgspec.json.schema(kind)), indent=2) + "\n"


def write(folder: Path) -> list[Path]:
    """Write all schemas into the folder, which is made if missing; return the files."""
    folder.mkdir(parents=True, exist_ok=True)
    files = {folder / name: text for name, text in schemas().items()}
    for path, text in files.items():
        path.write_text(text, encoding="utf-8")
    return list(files)


def _tidied(node: Any) -> Any:
    # Docstrings keep their indentation before Python 3.13 and lose it after: the committed files must not depend on it.
    if isinstance(node, dict):
        return {key: cleandoc(value) if _is_text(key, value) else _tidied(value) for key, value in node.items()}
    return [_tidied(item) for item in node] if isinstance(node, list) else node


def _is_text(key: str, value: Any) -> bool:
    return key == "description" and isinstance(value, str)
