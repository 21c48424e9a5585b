from prometheus_client import generate_latest

from bench.metrics.__main__ import Cost, Way, cost, line, section
from bench.metrics.doubles import LOOK_UP, Named, Operation, again, cpu_us, recording, silent
from bench.metrics.periodic import Periodic
from bench.metrics.webhooks import Webhooks
from bench.pages import Noise
from stream.telemetry import Metrics

OPERATIONS = [
    Operation("holds", ("rate_limited",), LOOK_UP, ()),
    Operation("holds", ("rate_limited",), "inc", (1,)),
    Operation("end_to_end_seconds", (), "observe", (2.0,)),
]


def use(metrics: Metrics) -> None:
    metrics.holds.labels("rate_limited").inc()
    metrics.end_to_end_seconds.observe(2.0)


def test_what_is_asked_of_the_metrics_is_written_down_and_finding_a_series_counts_as_a_call() -> None:
    written: list[Operation] = []
    use(recording(written))
    assert written == OPERATIONS


def test_what_was_written_down_is_done_again_as_it_was() -> None:
    used, replayed = Named(), Named()
    for _ in range(3):
        use(used)
    assert cpu_us(again(OPERATIONS, replayed.by_name), times=3) > 0
    ours = [name.encode() for name in ("previews_holds_total", "previews_end_to_end_seconds_")]
    told = [[row for row in generate_latest(its.registry).splitlines() if row.startswith(tuple(ours))]
            for its in (used, replayed)]  # fmt: skip
    assert b'previews_holds_total{reason="rate_limited"} 3.0' in told[0]
    without_times = [[row for row in rows if b"_created" not in row] for rows in told]
    assert without_times[0] == without_times[1]


def test_metrics_that_do_nothing_take_whatever_the_product_asks() -> None:
    metrics = silent()
    use(metrics)
    metrics.breaker_state.labels("genesys").state("open")
    metrics.bridge_queue_records.set_function(lambda: 1.0)
    metrics.consumer_lag.remove("attachments", "0")
    for act in again(OPERATIONS, metrics.by_name):
        act()


async def test_a_webhook_of_the_bench_goes_the_bridges_own_way() -> None:
    metrics = Named()
    async with Webhooks(metrics) as webhooks:
        assert await webhooks.send(5) > 0
    told = generate_latest(metrics.registry).decode()
    assert 'previews_bridge_requests_total{source="tutorial",status="202"} 5.0' in told
    assert "previews_bridge_records_total 5.0" in told


def test_the_share_is_of_the_whole_process_and_the_check_of_each_round() -> None:
    way = Way(OPERATIONS, 1, with_us=[100.0, 110.0, 90.0], without_us=[98.0, 104.0, 89.0])
    whole = cost(way, rounds=1, process_us=400.0)
    assert whole.share == whole.metrics_us / 400.0
    assert whole.check_us == [2.0, 6.0, 1.0]
    assert whole.calls == len(OPERATIONS)


def test_the_last_line_tells_shares_of_one() -> None:
    worker = Cost(calls=28, metrics_us=20.0, process_us=8000.0, check_us=[-100.0, 10.0, 120.0])
    bridge = Cost(calls=5, metrics_us=2.0, process_us=200.0, check_us=[1.0])
    regular = Periodic(look_seconds=0.001, scrape_seconds=0.015, scrape_bytes=90_000)
    told = line(worker, bridge, regular)
    assert (told["worker_share"], told["bridge_share"]) == (0.0025, 0.01)
    assert told["regular_share_of_a_core"] == 0.003
    page = section(worker, bridge, regular, 3, Noise(1.0, 2.0))
    assert "| worker | 20.0 | 8,000 | 0.2% | 28 | 10 (-100 to 120) |" in page
    assert "0.30% of a core" in page
