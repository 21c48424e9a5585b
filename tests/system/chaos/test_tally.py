from prometheus_client import CollectorRegistry

from stream.telemetry import Metrics, exposition
from tests.system.chaos.tally import SAMPLES, read


def test_what_a_worker_counts_is_summed_over_labels() -> None:
    metrics = Metrics(CollectorRegistry())
    metrics.posts_ambiguous.labels("timeout").inc(2)
    metrics.posts_ambiguous.labels("interrupted").inc()
    metrics.duplicates.inc(3)
    metrics.late_posts.inc()
    assert read(exposition(metrics.registry).decode()) == {"ambiguous": 3, "suppressed": 3, "late": 1}
    assert set(read("")) == set(SAMPLES)
