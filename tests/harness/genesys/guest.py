"""`python -m tests.harness.genesys.guest`: drops pictures, has Genesys tell the bridge, and waits for the links.

The last line is one JSON object: {"dropped":N,"linked":N}; exits 1 unless every picture has its link.
"""

import argparse
import io
import json
import re
import sys
import time
import urllib.request
import uuid
from collections.abc import Callable
from typing import Any, Final

from PIL import Image

POLL_SECONDS: Final = 0.2
ANSWER_SECONDS: Final = 60.0
LINK: Final = re.compile(r"https?://\S+")


class Guest:
    """One guest, who speaks to the simulator alone."""

    def __init__(self, simulator_url: str, bridge_url: str, secret: str) -> None:
        self._simulator_url = simulator_url
        self._webhook = {"url": f"{bridge_url}/webhooks/genesys/attachments", "secret": secret}

    def drop(self, name: str) -> str:
        """Drop a picture into a new conversation, whose id is returned once the bridge has accepted the webhook."""
        conversation = str(uuid.uuid4())
        attached = self._call(f"/conversations/{conversation}/attachments?fileName={name}", picture(), "image/png")
        payload = {"event": "webchat:attachment", "data": attached}
        receipt = self._call("/webhook", json.dumps({**self._webhook, "payload": payload}).encode())
        if not receipt["delivered"]:
            raise SystemExit(f"the bridge did not take the webhook: {receipt}")
        return conversation

    def link(self, conversation: str) -> str | None:
        """Return the address that was posted to a conversation."""
        said = [one["text"] or "" for one in self._call(f"/conversations/{conversation}")["messages"]]
        return next((found[0] for text in said if (found := LINK.search(text))), None)

    def _call(self, path: str, body: bytes | None = None, kind: str = "application/json") -> dict[str, Any]:
        request = urllib.request.Request(f"{self._simulator_url}/_sim{path}", body, {"Content-Type": kind})
        with urllib.request.urlopen(request, timeout=ANSWER_SECONDS) as answer:
            told: dict[str, Any] = json.load(answer)
        return told


def picture() -> bytes:
    """Return a PNG of 1600 by 900 pixels."""
    stream = io.BytesIO()
    Image.linear_gradient("L").resize((1600, 900)).save(stream, "PNG")
    return stream.getvalue()


def awaited(guest: Guest, conversations: list[str], seconds: float, clock: Callable[[], float]) -> dict[str, str]:
    """Return the links that came in time."""
    links: dict[str, str] = {}
    deadline = clock() + seconds
    while len(links) < len(conversations) and clock() < deadline:
        for conversation in set(conversations) - links.keys():
            if link := guest.link(conversation):
                links[conversation] = link
                say(f"{conversation}: {link}")
        time.sleep(POLL_SECONDS)
    return links


def say(line: str) -> None:
    sys.stdout.write(f"{line}\n")
    sys.stdout.flush()


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m tests.harness.genesys.guest", description=__doc__)
    parser.add_argument("--simulator", required=True, help="address of the simulator")
    parser.add_argument("--bridge", required=True, help="address of the bridge, as the simulator reaches it")
    parser.add_argument("--secret", default="", help="signs the webhooks")
    parser.add_argument("--pictures", type=int, default=1)
    parser.add_argument("--seconds", type=float, default=60.0, help="how long to wait for the links")
    given = parser.parse_args()
    guest = Guest(given.simulator, given.bridge, given.secret)
    conversations = [guest.drop(f"picture-{number}.png") for number in range(given.pictures)]
    links = awaited(guest, conversations, given.seconds, time.monotonic)
    say(json.dumps({"dropped": len(conversations), "linked": len(links)}))
    return 0 if len(links) == len(conversations) else 1


if __name__ == "__main__":
    sys.exit(main())
