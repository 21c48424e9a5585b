"""Every generated file of docs/ that describes an interface, and those of them that the bridge serves."""

import json
from typing import Any

from stream import asyncapi
from stream.bridge import openapi
from stream.schemas import schemas


def files() -> dict[str, str]:
    """Return the texts by path under docs/."""
    whole = {path.lstrip("/"): json.dumps(document, indent=2) + "\n" for path, document in _documents().items()}
    return {**{f"schemas/{name}": text for name, text in schemas().items()}, **whole}


def served() -> dict[str, bytes]:
    """Return the same files by path of the bridge, so that references from one to another hold there, too."""
    return {f"/{name}": text.encode() for name, text in files().items()}


def _documents() -> dict[str, dict[str, Any]]:
    return {openapi.PATH: openapi.document(), asyncapi.PATH: asyncapi.document()}
