import os
import socket
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
import urllib3
from aiokafka.partitioner import DefaultPartitioner

from tests.harness.kafka import RealKafka
from tests.harness.servers import MissingServerError, skip_or_fail
from tests.system.bridge import BridgeProcess, Load, webhook

pytestmark = [pytest.mark.system, pytest.mark.real]

DELIVERY_SECONDS = 3.0
IMPATIENT = {"BRIDGE_DELIVERY_TIMEOUT_SECONDS": f"{DELIVERY_SECONDS:g}"}
END_SECONDS = 20.0


@pytest.fixture
def bridge(kafka: RealKafka, tmp_path: Path) -> Iterator[BridgeProcess]:
    made = BridgeProcess(kafka, tmp_path, **IMPATIENT)
    made.create_topics()
    with made:
        made.wait_until_ready()
        yield made


@pytest.fixture
def paused(kafka: RealKafka) -> Iterator[RealKafka]:
    """A broker that a test may freeze; it goes on whatever the test does."""
    yield kafka
    kafka.resume()


def test_what_is_answered_202_is_in_the_partition_that_fausts_producer_would_choose(bridge: BridgeProcess) -> None:
    for number in range(60):
        assert bridge.post(webhook(number)).status == 202
    held = bridge.topic_holds()
    assert {event_id for event_id, _, _ in held} == {f"event-{number}" for number in range(60)}
    assert set(held.values()) == {1}
    every = list(range(bridge.settings.topic_partitions))
    choose = DefaultPartitioner()
    assert {(key, partition) for _, key, partition in held} == {
        (key, choose(key.encode(), every, every)) for _, key, _ in held
    }
    assert len({partition for _, _, partition in held}) == len(every)


def test_while_kafka_is_frozen_webhooks_are_refused_in_time_and_nothing_accepted_is_lost(
    bridge: BridgeProcess, paused: RealKafka
) -> None:
    with Load(bridge) as load:
        load.wait_for("accepted")
        paused.pause()
        load.wait_for("refused")
        started_at = time.monotonic()
        answer = bridge.post(webhook(-1))
        assert (answer.status, answer.json()["code"]) == (503, "kafka_unavailable")
        assert int(answer.headers["retry-after"]) >= 1
        assert time.monotonic() - started_at < DELIVERY_SECONDS + 1
        bridge.wait_until_unready()
        assert bridge.status("/healthz") == 200
        paused.resume()
        load.wait_for("accepted")
        bridge.wait_until_ready()
    assert set(load.refused) == {503}
    assert load.broken == 0
    assert load.accepted <= {event_id for event_id, _, _ in bridge.topic_holds()}


def test_sigterm_under_load_loses_nothing_that_was_accepted(bridge: BridgeProcess) -> None:
    with Load(bridge) as load:
        load.wait_for("accepted")
        assert bridge.process.stop(END_SECONDS) == 0
    held = bridge.topic_holds()
    assert load.accepted <= {event_id for event_id, _, _ in held}
    assert set(held.values()) == {1}
    assert set(load.refused) <= {503}
    assert bridge.events("bridge.drained")
    assert "panicked" not in bridge.process.log.read_text()


def test_a_drain_that_cannot_flush_says_what_was_not_sent_and_fails(kafka: RealKafka, tmp_path: Path) -> None:
    bridge = BridgeProcess(kafka, tmp_path, BRIDGE_DRAIN_SECONDS="2", BRIDGE_DELIVERY_TIMEOUT_SECONDS="30")
    bridge.create_topics()
    with bridge:
        bridge.wait_until_ready()
        kafka.pause()
        try:
            with Load(bridge) as load:
                bridge.process.wait_until(lambda: queued(bridge) > 0, END_SECONDS)
                started_at = time.monotonic()
                assert bridge.process.stop(END_SECONDS) == 1
                assert time.monotonic() - started_at < 4
        finally:
            kafka.resume()
    (line,) = bridge.events("bridge.drain_incomplete")
    assert line["unsent"] == len(line["event_ids"]) > 0
    assert not load.accepted
    assert load.refused[503] > 0


def queued(bridge: BridgeProcess) -> float:
    text = urllib3.request("GET", bridge.url("/metrics")).data.decode()
    return float(
        next(line.split()[1] for line in text.splitlines() if line.startswith("previews_bridge_queue_records "))
    )


def test_a_client_that_sends_half_a_body_delays_the_end_no_longer_than_a_body_may_take(
    kafka: RealKafka, tmp_path: Path
) -> None:
    bridge = BridgeProcess(kafka, tmp_path, BRIDGE_DRAIN_SECONDS="2", BRIDGE_BODY_TIMEOUT_SECONDS="30")
    with bridge, socket.create_connection(("127.0.0.1", int(bridge.url("").rsplit(":", 1)[1]))) as slow:
        slow.sendall(b"POST /webhooks/genesys/attachments HTTP/1.1\r\nhost: bridge\r\ncontent-length: 99\r\n\r\n{")
        started_at = time.monotonic()
        assert bridge.process.stop(END_SECONDS) == 0
        assert time.monotonic() - started_at < 4


@pytest.fixture
def absent_kafka(tmp_path: Path) -> Iterator[RealKafka]:
    """A broker of its own that is not started."""
    try:
        broker = RealKafka(tmp_path)
    except MissingServerError as error:
        skip_or_fail(str(error), os.environ)
    yield broker
    broker.stop()


def test_the_bridge_starts_without_kafka_and_recovers_from_its_absence(absent_kafka: RealKafka, tmp_path: Path) -> None:
    with BridgeProcess(absent_kafka, tmp_path, **IMPATIENT) as bridge:
        assert (bridge.status("/healthz"), bridge.status("/readyz")) == (200, 503)
        assert bridge.post(webhook(0)).status == 503
        absent_kafka.start()
        bridge.create_topics()
        bridge.wait_until_ready()
        with Load(bridge) as load:
            load.wait_for("accepted")
            absent_kafka.stop()
            load.wait_for("refused")
            absent_kafka.start()
            load.wait_for("accepted")
        assert set(load.refused) == {503}
        assert load.accepted <= {event_id for event_id, _, _ in bridge.topic_holds()}
