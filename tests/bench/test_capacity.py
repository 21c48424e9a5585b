import asyncio
import re
import tracemalloc

import pytest

from agents.tables.times_on_disk import entry_of
from bench.capacity import CHOICES, COSTS, DEFAULT_CONCURRENCY, PAGE, RATES, Sizes, number, written
from bench.pages import DOCS
from bench.pipeline.still import StillPipeline, settings_of
from stream.messages import encode
from stream.topics import LATEST_DELETION

NEAR = 0.35
"""Benches differ that much between a quiet machine and a busy one; a constant that is further off is out of date."""
MEASURED = {
    "worker_ms": ("benchmarks.md", r"\| no latency \|.*?\((?P<value>[\d.]+) of it the parent's\)"),
    "kafka_ms": ("delivery.md", r"(?P<value>[\d.]+) ms CPU an event \("),
    "bridge_per_second": ("benchmarks.md", r"\| the bridge: 202 once Kafka has acknowledged \| (?P<value>[\d,]+)"),
    "preview_bytes": ("benchmarks.md", r"\| bytes of a preview \| (?P<value>\d+)"),
}


def test_the_page_is_what_the_constants_and_formulas_make() -> None:
    page = PAGE.read_text()
    assert page == written(page), "make capacity writes it anew"


@pytest.mark.parametrize(("name", "page", "pattern"), [(name, *where) for name, where in MEASURED.items()])
def test_a_constant_is_what_the_page_of_its_measurement_says(name: str, page: str, pattern: str) -> None:
    found = re.search(pattern, (DOCS / page).read_text())
    assert found, f"docs/{page} does not tell of {name} any more"
    assert COSTS[name].value == pytest.approx(float(found["value"].replace(",", "")), rel=NEAR)


def test_rendering_costs_what_the_pipeline_bench_says_beyond_the_parent() -> None:
    found = re.search(r"\| no latency \|.*\| (\d+) \(([\d.]+) of it", (DOCS / "benchmarks.md").read_text())
    assert found
    assert COSTS["render_ms"].value == pytest.approx(float(found[1]) - float(found[2]), rel=NEAR)


def test_choices_that_are_called_defaults_are_the_defaults() -> None:
    settings = settings_of()
    assert settings.render_concurrency == DEFAULT_CONCURRENCY
    assert settings.topic_retention_hours == CHOICES["retention_days"].value * 24
    assert settings.preview_ttl_seconds == CHOICES["preview_days"].value * 86_400
    assert CHOICES["client_calls"].value == settings.genesys_calls_per_minute * 0.98
    assert settings.event_lifetime_seconds == pytest.approx(Sizes(1).alive)
    assert LATEST_DELETION == 1.25


def test_an_attachment_makes_as_many_records_and_bytes_as_the_page_says() -> None:
    async def expired() -> StillPipeline:
        # The row is forgotten some seconds after the preview has expired, as it is by default: they do not go together.
        still = StillPipeline(settings_of(preview_ttl_seconds=0.2, topic_retention_hours=0.0004))
        await still.bring(["0" * 64])
        await still.until_expired()
        await still.close()
        return still

    still = asyncio.run(expired())
    sizes, topics = still.memory.size_bytes, still.topics
    assert still.memory.records.total() == COSTS["records"].value
    assert COSTS["record_bytes"].value == pytest.approx(sizes.total(), rel=0.05)
    kept = (topics.attachments, topics.previews, topics.lifecycle, topics.results)
    assert COSTS["topic_bytes"].value == pytest.approx(sum(sizes[topic] for topic in kept), rel=0.05)


def test_an_attachment_has_three_rows_as_large_as_the_page_says() -> None:
    count = 400

    async def grown() -> tuple[int, float, float]:
        still = StillPipeline(settings_of())
        await still.bring([f"warm-{number:060x}" for number in range(100)])
        rows = len(still.pipeline.due_index)
        tracemalloc.start()
        await still.bring([f"{number:064x}" for number in range(count)])
        grown_bytes, _ = tracemalloc.get_traced_memory()
        tracemalloc.stop()
        both = (still.pipeline.due_rows, still.pipeline.links)
        stored = [len(key) + len(encode(row)) for its in both for at in range(4) for key, row in its.items(at)]
        stored += [len(entry_of(0.0, key.encode())) for at in range(4) for key, _ in still.pipeline.due_rows.items(at)]
        links = sum(1 for number in range(4) for _ in still.pipeline.links.items(number)) - 100
        await still.close()
        written_bytes = sum(stored) * count / (count + 100)
        return len(still.pipeline.due_index) - rows + links, grown_bytes, written_bytes

    rows, grown_bytes, written_bytes = asyncio.run(grown())
    assert rows == COSTS["rows"].value * count
    # Python counts its objects alone; the page's figure is of the process, which is somewhat more.
    assert COSTS["row_bytes"].value == pytest.approx(grown_bytes / rows, rel=NEAR)
    assert COSTS["disk_bytes"].value == pytest.approx(written_bytes / rows, rel=NEAR)


def test_sizes_grow_with_the_rate_and_nothing_is_ever_less_than_needed() -> None:
    low, middle, high = (Sizes(rate) for rate in RATES)
    assert (low.pods, low.bridges, low.partitions, low.oauth_clients) == (2, 2, 32, 1)
    assert middle.oauth_clients * CHOICES["client_calls"].value >= 100 * 60 * middle.calls
    assert high.pods * high.pod_per_second >= 10_000
    assert 2 * high.pods <= high.partitions < 4 * high.pods


def test_the_words_of_the_page_name_figures_of_its_tables() -> None:
    low, middle, high = (Sizes(rate) for rate in RATES)
    hour = Sizes(10_000, preview_days=1 / 24, retention_days=1 / 24)
    client, waiting = low.fulls["one OAuth client"], (20 - low.fulls["one OAuth client"]) * 600
    told = (
        f"their rows take {low.table_gb:.0f} GB of memory",
        f"the image's default) it is {low.index_gb:.2f} GB",
        f"one OAuth client is from {client:.0f} a second on",
        f"{middle.table_gb:.0f} GB in memory, or {middle.index_gb:.0f} GB beside {middle.disk_gb:.0f} GB on disks",
        f"({high.index_gb:,.0f} GB of memory beside RocksDB; kept for an hour {hour.index_gb:.0f} GB)",
        f"downloads ({high.download_mb_per_second * 8 / 1000:.0f} Gbit",
        f"{high.pods} pods and {high.partitions} partitions",
        f"S3 has {high.s3_calls_per_second:,.0f} requests",
        f"full at {CHOICES['client_calls'].value / 60 / (low.calls + 1):.1f} a second",
        f"client is {round(waiting, -1):,.0f} posts too many, and gone after {waiting / (client - 1) / 60:.0f} minutes",
    )
    words = " ".join(PAGE.read_text().split())
    assert [text for text in told if text not in words] == []


def test_own_numbers_may_be_put_in() -> None:
    assert Sizes(4, files=1).oauth_clients == 2
    assert Sizes(1, preview_days=1, retention_days=1).table_gb == pytest.approx(Sizes(1).table_gb / 7)


@pytest.mark.parametrize(
    ("value", "text"), [(0.0575, "0.0575"), (2.0, "2"), (99.96, "100"), (197.3, "197"), (12_345.6, "12,346")]
)
def test_numbers_have_three_digits_that_count(value: float, text: str) -> None:
    assert number(value) == text
