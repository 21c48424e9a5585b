import re

from prometheus_client import CollectorRegistry, Histogram
from prometheus_client.metrics import MetricWrapperBase
from prometheus_client.parser import text_string_to_metric_families

from stream.telemetry import NAMESPACE, Metrics, exposition

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
