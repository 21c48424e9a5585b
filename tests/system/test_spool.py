import os
import signal
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.harness.kafka import RealKafka
from tests.harness.servers import MissingServerError, skip_or_fail
from tests.system.bridge import BridgeProcess, webhook

pytestmark = [pytest.mark.system, pytest.mark.real]

END_SECONDS = 20.0
EVENTS = range(20)


@pytest.fixture
def absent_kafka(tmp_path: Path) -> Iterator[RealKafka]:
    """A broker of its own that is not started."""
    try:
        broker = RealKafka(tmp_path)
    except MissingServerError as error:
        skip_or_fail(str(error), os.environ)
    yield broker
    broker.stop()


@pytest.fixture
def bridge(absent_kafka: RealKafka, tmp_path: Path) -> Iterator[BridgeProcess]:
    """A bridge with a spool, before a Kafka that is not there."""
    folder = str(tmp_path / "spool")
    with BridgeProcess(absent_kafka, tmp_path, BRIDGE_SPOOL_DIR=folder, BRIDGE_DELIVERY_TIMEOUT_SECONDS="1") as made:
        yield made


def accept_all(bridge: BridgeProcess) -> None:
    for number in EVENTS:
        answer = bridge.post(webhook(number, conversations=1))
        assert answer.status == 202, answer.data


def bring_kafka(broker: RealKafka, bridge: BridgeProcess) -> None:
    broker.start()
    bridge.create_topics()
    bridge.process.wait_until(lambda: bool(bridge.events("spool.drained")), END_SECONDS)


def in_order(bridge: BridgeProcess) -> list[str]:
    """Return the events of the one conversation as they lie in its partition, without copies."""
    return [event_id for event_id, _, _ in bridge.topic_holds()]


def test_a_bridge_without_kafka_is_ready_and_what_it_accepts_reaches_kafka_in_order(
    bridge: BridgeProcess, absent_kafka: RealKafka
) -> None:
    accept_all(bridge)
    bridge.wait_until_ready()
    bring_kafka(absent_kafka, bridge)
    assert bridge.post(webhook(len(EVENTS), conversations=1)).status == 202
    assert in_order(bridge) == [f"event-{number}" for number in range(len(EVENTS) + 1)]


def test_what_was_accepted_without_kafka_outlives_sigkill(bridge: BridgeProcess, absent_kafka: RealKafka) -> None:
    accept_all(bridge)
    os.kill(bridge.process.pid, signal.SIGKILL)
    bridge.process.wait(END_SECONDS)
    bridge.start()
    assert bridge.events("spool.found")[-1]["records"] == len(EVENTS)
    bring_kafka(absent_kafka, bridge)
    assert in_order(bridge) == [f"event-{number}" for number in EVENTS]


def test_sigterm_without_kafka_leaves_the_spool_to_the_next_process_and_says_so(
    bridge: BridgeProcess, absent_kafka: RealKafka
) -> None:
    accept_all(bridge)
    assert bridge.process.stop(END_SECONDS) == 0
    assert bridge.events("spool.left")[-1]["records"] == len(EVENTS)
    bridge.start()
    bring_kafka(absent_kafka, bridge)
    assert in_order(bridge) == [f"event-{number}" for number in EVENTS]


def test_a_second_bridge_with_the_same_folder_does_not_start(bridge: BridgeProcess, tmp_path: Path) -> None:
    other = tmp_path / "other"
    other.mkdir()
    environ = {"BRIDGE_SPOOL_DIR": str(tmp_path / "spool")}
    second = BridgeProcess(bridge.broker, other, **environ)
    second.process.start()
    assert second.process.wait(END_SECONDS) == 2
    (line,) = second.process.log.read_text().splitlines()
    assert line.startswith("BRIDGE_SPOOL_DIR=")
    assert "another process has its spool there" in line
