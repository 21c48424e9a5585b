from prometheus_client import CollectorRegistry

from agents.kafka.rebalances import Rebalances
from stream.telemetry import Metrics
from tests.agents.worlds import Clock


class Bench:
    def __init__(self) -> None:
        self.clock = Clock()
        self.metrics = Metrics(CollectorRegistry())
        self.rebalances = Rebalances(self.metrics, self.clock)

    def told(self, name: str) -> float | None:
        return self.metrics.registry.get_sample_value(f"previews_{name}")


def test_a_rebalance_lasts_from_the_loss_of_partitions_to_the_last_row_of_the_new_ones() -> None:
    bench = Bench()
    bench.rebalances.begun()
    bench.clock.now += 2
    bench.rebalances.assigned()
    assert bench.told("table_recovering") == 1
    bench.clock.now += 30
    bench.rebalances.ended()
    assert bench.told("table_recovering") == 0
    assert bench.told("consumer_rebalances_total") == 1
    assert bench.told("consumer_rebalance_seconds_sum") == 32
    assert bench.told("table_recovery_seconds_sum") == 30


def test_rebalances_that_overtake_each_other_are_counted_and_their_time_is_told_once() -> None:
    bench = Bench()
    for _ in range(3):
        bench.rebalances.begun()
        bench.clock.now += 10
        bench.rebalances.assigned()
    bench.clock.now += 1
    bench.rebalances.ended()
    assert bench.told("consumer_rebalances_total") == 3
    assert bench.told("consumer_rebalance_seconds_count") == 1
    assert bench.told("consumer_rebalance_seconds_sum") == 31
    assert bench.told("table_recovery_seconds_sum") == 1
