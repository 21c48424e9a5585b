"""A probe of a bridge on Apache Kafka; the worker's part is played by the test. With a worker: test_sources.py."""

import io
from collections.abc import Callable, Iterator
from pathlib import Path
from threading import Thread

import pytest

from stream.console import Console
from stream.failures import Reason, Refused, Stage
from stream.kafka.clients import KafkaUnreachableError
from stream.kafka.snapshot import records
from stream.messages import Origin, Outcome, dead_letter_key, decode_attachment, encode
from stream.probe.command import Probe, probe
from stream.records.headers import dead_letter, dead_letter_headers
from stream.topics import Topics
from tests.contract.own_topics import produce
from tests.harness.kafka import RealKafka
from tests.harness.processes import free_port
from tests.system.bridge import BridgeProcess

pytestmark = [pytest.mark.system]

NOW = 1_790_000_000.0
CREDENTIALS = "hub:hush"


@pytest.fixture
def bridge(kafka: RealKafka, tmp_path: Path) -> Iterator[BridgeProcess]:
    with BridgeProcess(kafka, tmp_path, WEBHOOK_OPEN_MESSAGING_CREDENTIALS=CREDENTIALS) as process:
        process.create_topics()
        process.wait_until_ready()
        yield process


class Terminal:
    """What a command has said."""

    def __init__(self) -> None:
        self.out, self.errors = io.StringIO(), io.StringIO()
        self.console = Console(self.out, io.BytesIO(), self.errors, io.StringIO())


def run(bridge: BridgeProcess, terminal: Terminal, name: str, wait_seconds: float = 20.0) -> int:
    asked = Probe(bridge_url=bridge.url(""), name=name, wait_seconds=wait_seconds)
    return probe(bridge.settings, asked, terminal.console)


def answered(bridge: BridgeProcess, answer: Callable[[str, bytes], None]) -> Thread:
    """Play the worker: answer the first record that comes."""

    def wait() -> None:
        found: list[bytes] = []
        while not found:  # the probe itself has the deadline
            found = [record.value or b"" for record in records(bridge.settings, bridge.topic)]
        answer(decode_attachment(found[0]).event_id, found[0])

    thread = Thread(target=wait)
    thread.start()
    return thread


def test_a_probe_tells_the_outcome_of_its_event(bridge: BridgeProcess) -> None:
    def reject(event_id: str, _value: bytes) -> None:
        others = Outcome(event_id="another", conversation_id="c", outcome="linked", verdict="rendered", finished_at=NOW)
        ours = Outcome(
            event_id=event_id, conversation_id="c", outcome="rejected", verdict="source_blocked", finished_at=NOW
        )
        results = Topics.of(bridge.settings).results
        foreign = (b"c", b"not a result", None)
        produce(bridge.settings, results, foreign, (b"c", encode(others), None), (b"c", encode(ours), None))

    terminal = Terminal()
    worker = answered(bridge, reject)
    assert run(bridge, terminal, "probe-outcome") == 0
    worker.join()
    assert ": rejected (source_blocked) after " in terminal.out.getvalue()


def test_a_probe_whose_event_became_a_dead_letter_fails(bridge: BridgeProcess) -> None:
    def bury(event_id: str, value: bytes) -> None:
        topics = Topics.of(bridge.settings)
        letter = dead_letter(
            Refused(Reason.INTERNAL, "made up"),
            stage=Stage.LINK,
            origin=Origin(topic=topics.attachments, partition=0, offset=0),
            key=b"c",
            payload=value,
            headers=[],
            now=NOW,
            event_id=event_id,
        )
        key, headers = dead_letter_key(letter), dead_letter_headers(letter)
        produce(bridge.settings, topics.dead_letters, (key, encode(letter), headers))

    terminal = Terminal()
    worker = answered(bridge, bury)
    assert run(bridge, terminal, "probe-letter") == 1
    worker.join()
    assert ": dead letter (internal) after " in terminal.errors.getvalue()


def test_a_probe_without_a_worker_says_so(bridge: BridgeProcess) -> None:
    terminal = Terminal()
    assert run(bridge, terminal, "probe-silence", wait_seconds=1.0) == 1
    assert "no result within 1 s: is a worker ready?" in terminal.errors.getvalue()


def test_a_probe_repeats_what_the_bridge_refuses(bridge: BridgeProcess) -> None:
    terminal = Terminal()
    asked = Probe(bridge_url=bridge.url("/elsewhere"), name="probe-lost")
    assert probe(bridge.settings, asked, terminal.console) == 1
    assert "did not take the event: 404" in terminal.errors.getvalue()


def test_a_probe_of_an_address_where_nobody_listens_fails(bridge: BridgeProcess) -> None:
    terminal = Terminal()
    asked = Probe(bridge_url=f"http://127.0.0.1:{free_port()}", name="probe-nobody")
    assert probe(bridge.settings, asked, terminal.console) == 1
    assert "gave no answer" in terminal.errors.getvalue()


def test_a_probe_before_the_topics_are_there_says_so(kafka: RealKafka, tmp_path: Path) -> None:
    bridge = BridgeProcess(kafka, tmp_path)
    with pytest.raises(KafkaUnreachableError, match="Unknown topic"):
        run(bridge, Terminal(), "probe-topics")
