import re

from prometheus_client import CollectorRegistry, Histogram
from prometheus_client.metrics import MetricWrapperBase
from prometheus_client.parser import text_string_to_metric_families

from stream.arrival import EventSource
from stream.telemetry import NAMESPACE, Metrics, exposition
from stream.telemetry.known import begin_bridge, begin_worker

BASE_UNITS = ("_seconds", "_bytes", "_ratio", "_records", "_rows", "_tokens")
FORBIDDEN_LABELS = re.compile(r"(^|_)(id|key|url|name|conversation|event|message|host)(_|$)")


def declared(metrics: Metrics) -> dict[str, MetricWrapperBase]:
    return {name: value for name, value in vars(metrics).items() if isinstance(value, MetricWrapperBase)}


def test_each_registry_has_metrics_of_its_own() -> None:
    first, second = Metrics(CollectorRegistry()), Metrics(CollectorRegistry())
    first.duplicates.inc()
    assert first.registry.get_sample_value("previews_post_duplicate_suppressed_total") == 1
    assert second.registry.get_sample_value("previews_post_duplicate_suppressed_total") == 0


def test_what_is_counted_is_what_is_told() -> None:
    metrics = Metrics(CollectorRegistry())
    metrics.outcomes.labels("rejected", "encrypted").inc()
    metrics.stage_seconds.labels("render").observe(0.2)
    metrics.breaker_state.labels("storage").state("open")
    text = exposition(metrics.registry).decode()
    samples = {
        (sample.name, *sorted(sample.labels.items())): sample.value
        for family in text_string_to_metric_families(text)
        for sample in family.samples
    }
    assert samples["previews_outcomes_total", ("outcome", "rejected"), ("verdict", "encrypted")] == 1
    assert samples["previews_stage_seconds_sum", ("stage", "render")] == 0.2
    assert samples["previews_breaker_state", ("previews_breaker_state", "open"), ("service", "storage")] == 1
    assert samples["previews_breaker_state", ("previews_breaker_state", "closed"), ("service", "storage")] == 0
    assert "process_resident_memory_bytes" in text
    assert "previews_build_info{version=" in text


def test_every_metric_has_a_meaning_and_no_label_that_could_hold_an_id() -> None:
    for metric in declared(Metrics(CollectorRegistry())).values():
        (family,) = metric.describe()
        assert family.name.startswith(f"{NAMESPACE}_")
        assert len(family.documentation) > 10
        assert not [label for label in metric._labelnames if FORBIDDEN_LABELS.search(label)]


def test_every_histogram_is_in_seconds() -> None:
    histograms = [metric for metric in declared(Metrics(CollectorRegistry())).values() if isinstance(metric, Histogram)]
    assert histograms
    for histogram in histograms:
        assert next(iter(histogram.describe())).name.endswith(BASE_UNITS)


def series(metrics: Metrics) -> set[tuple[str, ...]]:
    return {
        (sample.name.removeprefix("previews_"), *sample.labels.values())
        for family in metrics.registry.collect()
        for sample in family.samples
        if not sample.name.endswith("_created")
    }


def test_what_a_worker_may_count_begins_at_0_so_that_rates_see_the_first_event() -> None:
    metrics = Metrics(CollectorRegistry())
    begin_worker(metrics, ["attachments"], ["due"])
    assert {
        ("outcomes_total", "linked", "rendered"),
        ("outcomes_total", "rejected", "encrypted"),
        ("dead_letters_total", "undecodable", "decode"),
        ("outcomes_total", "rejected", "erased"),
        ("orders_total", "erase", "erased"),
        ("orders_total", "hold", "refused"),
        ("erased_total",),
        ("retries_total", "storage_unavailable", "store"),
        ("holds_total", "permission_missing"),
        ("post_ambiguous_total", "late"),
        ("render_children_lost_total", "starved"),
        ("genesys_calls_total", "post_to_communication", "429"),
        ("storage_calls_total", "put", "ok"),
        ("due_fired_total", "attachments"),
        ("consumer_backpressure_seconds_total", "attachments"),
        ("table_rows", "due"),
        ("stage_seconds_count", "link"),
    } <= series(metrics)
    assert not [name for name in series(metrics) if name[0] == "bridge_requests_total"]
    assert len(series(metrics)) < 1000


def test_a_bridge_begins_the_series_of_its_sources_and_no_others() -> None:
    metrics = Metrics(CollectorRegistry())
    begin_bridge(metrics, [EventSource.MESSAGES])
    begun = {name for name in series(metrics) if name[0].startswith("bridge_request")}
    assert ("bridge_requests_total", "503", "messages") in begun
    assert ("bridge_requests_total", "404", "none") in begun
    assert not [name for name in begun if "tutorial" in name]
    assert not [name for name in series(metrics) if name[0] == "outcomes_total"]


def test_only_partitions_and_topics_are_labels_that_a_deployment_chooses() -> None:
    by_partition = {
        name for name, metric in declared(Metrics(CollectorRegistry())).items() if "partition" in metric._labelnames
    }
    assert by_partition == {"consumer_lag", "consumer_oldest", "consumer_stalled"}
