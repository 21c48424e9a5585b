"""The Genesys simulator as a process of its own, and what it has to say as the judge."""

import json
import re
import sys
from collections import Counter
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final

from tests.harness.deployment import get, post_json
from tests.harness.processes import Process
from tests.harness.servers import Server

OBJECT_KEY: Final = re.compile(r"[0-9a-f]{32}/[0-9a-f]{40}\.webp")


class GenesysSimulator(Server):
    """Login, API, downloads and judge; ends with this process."""

    def __init__(self, folder: Path, settings: Mapping[str, Any] | None = None) -> None:
        command = [sys.executable, "-m", "tests.harness.genesys", "--settings", json.dumps(settings or {})]
        super().__init__(Process("Genesys simulator", command, folder / "genesys.log"))
        self.url = ""

    def ready(self) -> bool:
        """Tell whether the simulator answers."""
        told = re.findall(r"^base_url=(\S+)$", self.process.last_words(), re.MULTILINE)
        self.url = told[-1] if told else ""
        return bool(told) and get(f"{self.url}/_sim/health")[0] == 200

    def control(self, path: str, body: Mapping[str, Any]) -> dict[str, Any]:
        """POST to the control API, e.g. faults."""
        status, answer = post_json(f"{self.url}/_sim/{path}", body)
        assert 200 <= status < 300, (status, answer)
        return answer

    def counters(self) -> dict[str, Any]:
        """Return what was counted: calls, statuses, faults, messages."""
        counted: dict[str, Any] = json.loads(get(f"{self.url}/_sim/counters")[1])
        return counted

    def posted(self) -> list[tuple[str, str]]:
        """Return every outbound message of every conversation as conversation id and text."""
        told = json.loads(get(f"{self.url}/_sim/conversations")[1])
        return [
            (conversation["id"], message["text"])
            for conversation in told["conversations"]
            for message in conversation["messages"]
            if message["direction"] == "outbound"
        ]

    def said_twice(self) -> int:
        """Return how many messages were more than was needed: copies of a preview in its conversation."""
        said = Counter((conversation, object_key(text)) for conversation, text in self.posted())
        return sum(count - 1 for count in said.values())


def object_key(text: str) -> str:
    """Return the object key in a message's text."""
    found = OBJECT_KEY.search(text)
    assert found is not None, f"no preview in {text!r}"
    return found[0]
