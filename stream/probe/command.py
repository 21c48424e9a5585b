"""The probe itself: post, wait, tell."""

import time
import uuid
from argparse import Namespace
from collections.abc import Callable, Iterable
from typing import Final

import msgspec
import urllib3
from msgspec import Struct

from stream.bridge.answers import Queued
from stream.console import Console
from stream.kafka.ends import Ends
from stream.messages import DeadLetter, Outcome, Result
from stream.probe.webhook import NOWHERE, Webhook, webhook
from stream.settings import BridgeSettings

DONE: Final = 0
FAILED: Final = 1
POST_SECONDS: Final = 15.0
SHOWN_BYTES: Final = 500


class Probe(Struct, frozen=True, kw_only=True):
    """What is asked: the bridge's address, the file's, whose conversation it is, and how long may be waited."""

    bridge_url: str
    name: str
    file_url: str = NOWHERE
    conversation_id: str = ""
    wait_seconds: float = 60.0


def run(settings: BridgeSettings, options: Namespace, console: Console) -> int:
    """Carry out the command; return its exit code."""
    asked = Probe(
        bridge_url=options.bridge,
        name=f"probe-{uuid.uuid4()}",
        file_url=options.file or NOWHERE,
        conversation_id=options.conversation,
        wait_seconds=options.wait_seconds,
    )
    return probe(settings, asked, console)


def probe(settings: BridgeSettings, asked: Probe, console: Console, *, clock: Callable[[], float] = time.time) -> int:
    """Post one webhook and wait until its event has ended; return the exit code.

    Raises:
        KafkaUnreachableError: Kafka does not answer.
        WrongSettingError: The bridge asks for credentials that a probe cannot give.
    """
    conversation_id = asked.conversation_id or asked.name
    posted = webhook(settings, asked.name, file_url=asked.file_url, conversation_id=conversation_id, now=clock())
    with Ends(settings, client_id="probe") as ends:
        began = clock()
        event_id, fault = _post(asked.bridge_url, posted)
        if fault:
            console.complain(fault)
            return FAILED
        end = _end_of(event_id, ends.follow(asked.wait_seconds))
    return _tell(event_id, end, clock() - began, console)


def _post(bridge_url: str, posted: Webhook) -> tuple[str, str]:
    """Return the event id that the bridge accepted, or why it has not."""
    url = f"{bridge_url.rstrip('/')}{posted.path}"
    try:
        with urllib3.PoolManager(retries=False) as pool:
            answer = pool.request("POST", url, body=posted.body, headers=posted.headers, timeout=POST_SECONDS)
    except urllib3.exceptions.HTTPError as error:
        return "", f"{url} gave no answer: {error}"
    try:
        return msgspec.json.decode(answer.data, type=Queued).event_id, ""
    except msgspec.DecodeError:
        said = answer.data[:SHOWN_BYTES].decode(errors="replace")
        return "", f"{url} did not take the event: {answer.status} {said}"


def _end_of(event_id: str, seen: Iterable[Result | DeadLetter]) -> Outcome | DeadLetter | None:
    ends = (one for one in seen if isinstance(one, Outcome | DeadLetter))
    return next((end for end in ends if end.event_id == event_id), None)


def _tell(event_id: str, end: Outcome | DeadLetter | None, seconds: float, console: Console) -> int:
    if isinstance(end, Outcome):
        console.say(f"{event_id}: {end.outcome} ({end.verdict}) after {seconds:.1f} s")
        return DONE
    if end is None:
        console.complain(f"{event_id}: accepted, and no result within {seconds:.0f} s: is a worker ready?")
        return FAILED
    console.complain(f"{event_id}: dead letter ({end.reason}) after {seconds:.1f} s: {end.message}")
    return FAILED
