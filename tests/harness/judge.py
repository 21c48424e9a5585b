"""Judges a run by what the conversations hold."""

import re
from collections import Counter
from typing import Final

from tests.harness.genesys.server import GenesysControl

OBJECT_KEY: Final = re.compile(r"[0-9a-f]{32}/[0-9a-f]{40}\.webp")


def said_twice(genesys: GenesysControl) -> int:
    """Return how many messages were more than needed: copies of a preview in its conversation."""
    said = Counter(
        (conversation["id"], object_key(message["text"]))
        for conversation in genesys.conversations()
        for message in conversation["messages"]
        if message["direction"] == "outbound"
    )
    return sum(count - 1 for count in said.values())


def object_key(text: str) -> str:
    """Return the object key in a message's text."""
    found = OBJECT_KEY.search(text)
    assert found is not None, f"no preview in {text!r}"
    return found[0]
