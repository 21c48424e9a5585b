from prometheus_client import CollectorRegistry

from stream.telemetry import Metrics, exposition
from tests.system.chaos.tally import SAMPLES, read


def test_what_a_worker_counts_is_summed_over_labels() -> None:
    metrics = Metrics(CollectorRegistry())
    metrics.retries.labels("genesys_ambiguous", "link").inc(2)
    metrics.retries.labels("storage_unavailable", "store").inc(7)
    metrics.duplicates.inc(3)
    metrics.late_posts.inc()
    assert read(exposition(metrics.registry).decode()) == {"ambiguous": 2, "suppressed": 3, "late": 1}
    assert set(read("")) == set(SAMPLES)
