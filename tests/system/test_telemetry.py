"""What a real worker tells of itself while records wait, partitions move, and a job hangs."""

from collections.abc import Iterator
from typing import Final

import pytest
from confluent_kafka import Producer
from prometheus_client.parser import text_string_to_metric_families

from stream.records.headers import as_dict
from tests.harness.collector import Collector, collecting
from tests.harness.deployment import get
from tests.harness.genesys.faults import Fault
from tests.harness.kafka import RealKafka
from tests.harness.s3 import Minio
from tests.system.rig import Rig, running

pytestmark = [pytest.mark.system, pytest.mark.timeout(240)]

STALLED_SECONDS: Final = 3.0
SLOW_FILES: Final = {
    "LIVENESS_STALLED_SECONDS": f"{STALLED_SECONDS:g}",
    "DOWNLOAD_TIMEOUT_SECONDS": "12",
    "DOWNLOAD_STALL_TIMEOUT_SECONDS": "12",
    "RETRY_SOURCE_MAX_ATTEMPTS": "1",
}
UNDECODABLE: Final = 'previews_dead_letters_total{reason="undecodable",stage="decode"}'
LANES: Final = ("attachments", "previews", "lifecycle")


@pytest.fixture
def rig(kafka: RealKafka, minio: Minio, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Rig]:
    with running(tmp_path_factory.mktemp("telemetry"), kafka, minio, SLOW_FILES) as made:
        yield made


def partitions_told(rig: Rig, metric: str, worker: int = -1) -> dict[tuple[str, str], float]:
    """Return a metric's value by topic, without the prefix, and partition."""
    _, body = get(f"http://127.0.0.1:{rig.product.health_ports[worker]}/metrics")
    prefix = rig.topics.attachments.removesuffix("attachments")
    return {
        (sample.labels["topic"].removeprefix(prefix), sample.labels["partition"]): sample.value
        for family in text_string_to_metric_families(body.decode())
        if family.name == f"previews_{metric}"
        for sample in family.samples
    }


def tracing_to(collector: Collector) -> dict[str, str]:
    return {"OTEL_EXPORTER_OTLP_ENDPOINT": collector.url}


def oldest_seconds(rig: Rig) -> float:
    return max(partitions_told(rig, "consumer_oldest_record_seconds").values())


def test_series_of_partitions_follow_their_partitions_from_worker_to_worker(rig: Rig) -> None:
    rig.product.add_worker()
    rig.wait("the lag of all partitions", lambda: len(partitions_told(rig, "consumer_lag_records")) == 3 * 4)
    assert {topic for topic, _ in partitions_told(rig, "consumer_oldest_record_seconds")} == set(LANES)
    assert rig.metric(f'previews_consumer_assigned_partitions{{topic="{rig.topics.previews}"}}') == 4
    rig.product.add_worker()
    rig.wait("half of them each", lambda: len(partitions_told(rig, "consumer_lag_records", 0)) == 3 * 2)
    rig.wait("the others", lambda: len(partitions_told(rig, "consumer_lag_records", 1)) == 3 * 2)
    first, second = (partitions_told(rig, "consumer_lag_records", worker).keys() for worker in (0, 1))
    assert not first & second
    assert rig.metric("previews_consumer_rebalances_total", 0) >= 2
    assert rig.metric("previews_consumer_rebalance_seconds_count", 0) >= 2
    assert rig.metric("previews_table_recovery_seconds_count", 0) >= 2
    assert rig.metric("previews_table_recovering", 0) == 0


def test_records_that_genesys_makes_wait_grow_old_and_leave_the_worker_live(rig: Rig) -> None:
    rig.genesys.control.add_fault(Fault(kind="status", call="*", status=429, retry_after_seconds=300, count=1))
    rig.product.add_worker()
    rig.drop()
    rig.wait("the lane to be held", lambda: rig.logged("lane.held") > 0)
    rig.wait("a record that is older than a stuck one may be", lambda: oldest_seconds(rig) > 2 * STALLED_SECONDS)
    assert max(partitions_told(rig, "consumer_stalled_seconds").values()) == 0
    assert rig.probe("/healthz") == 200
    rig.wait("rows of the tables", lambda: rig.metric('previews_table_rows{table="due"}') > 0)
    rig.wait("its changelog", lambda: rig.metric('previews_table_changelog_records{table="due"}') > 0)
    assert rig.metric("previews_render_children") == 1
    assert rig.metric("previews_render_children_started_total") >= 1
    assert rig.metric('previews_storage_calls_total{call="put",status="ok"}') == 1


def test_a_job_that_hangs_ends_the_life_of_its_worker_as_long_as_it_hangs(rig: Rig) -> None:
    rig.product.add_worker()
    assert rig.probe("/startupz") == 200
    hanging = rig.drop("never.png", f"{rig.files.address}/silent")
    rig.wait("the worker to be taken for dead", lambda: rig.probe("/healthz") == 503, STALLED_SECONDS + 10)
    assert rig.probe("/readyz") == 200
    rig.wait_for_ends([hanging])
    rig.wait("the worker to be live again", lambda: rig.probe("/healthz") == 200)
    assert max(partitions_told(rig, "consumer_stalled_seconds").values()) == 0


def test_what_a_transaction_takes_back_and_its_markers_are_no_backlog(rig: Rig) -> None:
    rig.product.add_worker()
    client = {"bootstrap.servers": rig.kafka.bootstrap_servers, "transactional.id": rig.topics.attachments}
    producer = Producer(client)
    producer.init_transactions(30)
    for end in (producer.abort_transaction, producer.commit_transaction):
        producer.begin_transaction()
        for partition in range(2):
            producer.produce(rig.topics.attachments, b"no attachment", partition=partition)
        end(30)
    rig.wait("the dead letters", lambda: rig.metric(UNDECODABLE) == 2)
    rig.wait("the end of the lag", lambda: not any(partitions_told(rig, "consumer_lag_records").values()))
    assert oldest_seconds(rig) == 0


def test_one_trace_leads_through_all_processes(
    kafka: RealKafka, minio: Minio, tmp_path_factory: pytest.TempPathFactory
) -> None:
    folder = tmp_path_factory.mktemp("traces")
    with collecting() as collector, running(folder, kafka, minio, tracing_to(collector)) as rig:
        rig.product.add_worker()
        event = rig.drop()
        rig.wait_for_ends([event])
        wanted = {"send attachments", "process " + rig.topics.attachments, "render", "process " + rig.topics.previews}
        rig.wait("the spans", lambda: wanted <= {span.name for span in collector.spans})
        traces = {span.trace_id for span in collector.spans if span.name in wanted}
        assert len(traces) == 1
        (result,) = [one for one in rig.records(rig.topics.results) if b"linked" in (one.value or b"")]
        assert as_dict(result.headers)["traceparent"].split(b"-")[1].decode() == traces.pop().hex()
