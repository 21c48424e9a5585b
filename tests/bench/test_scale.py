import pytest
from aiokafka.partitioner import DefaultPartitioner

from agents.kafka.lane import LaneLimits
from bench.pages import Noise
from bench.scale.__main__ import taken
from bench.scale.feed import CONVERSATIONS_PER_PARTITION, conversations
from bench.scale.figures import PARTITIONS, WORKERS, Count, Figures, section
from bench.scale.worker import (
    DOWNLOAD_SECONDS,
    HEAD_SECONDS,
    POST_SECONDS,
    PUT_SECONDS,
    RENDER_SECONDS,
    TTL_SECONDS,
    Plan,
    settings_of,
)


def count(workers: int, per_second: float) -> Count:
    return Count(workers, per_second, worker_cores=0.1 * workers, kafka_cores=0.2, least_waiting=workers + 2)


def figures(*per_second: float, lost: int = 0) -> Figures:
    turns = (*WORKERS, *WORKERS[::-1])
    counts = [count(workers, each) for workers, each in zip(turns, per_second, strict=True)]
    return Figures(counts, events=1_000, lost=lost, duplicates=2, noise=Noise(1.25, 2.5))


def test_the_last_line_tells_the_means_of_both_turns_and_what_four_do_for_one() -> None:
    assert figures(15.0, 31.0, 60.0, 62.0, 33.0, 16.0).line() == {
        "workers": [1, 2, 4],
        "per_second": [15.5, 32.0, 61.0],
        "efficiency": 3.935,
        "events": 1_000,
        "lost": 0,
        "duplicates": 2,
        "cores_per_worker": [0.1, 0.1, 0.1],
        "kafka_cores": [0.2, 0.2, 0.2],
        "load_average": [1.2, 2.5],
    }


@pytest.mark.parametrize(
    ("four", "lost", "well"), [(36.1, 0, True), (35.9, 0, False), (40.0, 1, False)], ids=["well", "slow", "lost"]
)
def test_it_fails_when_workers_hinder_each_other_or_lose_events(four: float, lost: int, well: bool) -> None:  # noqa: FBT001
    assert figures(10.0, 20.0, four, four, 20.0, 10.0, lost=lost).well is well


def test_the_page_tells_each_count_and_what_became_of_the_events() -> None:
    page = section(figures(15.0, 31.0, 60.0, 62.0, 33.0, 16.0), 25.0)
    assert "| 4 | 60.0, 62.0 | 3.94 | 6.6 | 0.20 |" in page
    assert "0 lost, 2 outcomes twice" in page


def test_keys_lead_to_the_partition_for_which_they_were_chosen() -> None:
    found, every = conversations(PARTITIONS), list(range(PARTITIONS))
    to_partition = DefaultPartitioner()
    assert all(len(set(names)) == CONVERSATIONS_PER_PARTITION for names in found.values())
    assert all(to_partition(name.encode(), every, every) == at for at, names in found.items() for name in names)


def test_a_worker_is_bound_by_its_rendering_lane_and_posts_before_a_preview_expires() -> None:
    settings = settings_of(Plan(bootstrap_servers="127.0.0.1:1", prefix="", partitions=PARTITIONS, session_seconds=10))
    renders = settings.render_concurrency / (DOWNLOAD_SECONDS + RENDER_SECONDS + PUT_SECONDS)
    posts = settings.link_concurrency / (HEAD_SECONDS + POST_SECONDS)
    assert renders < posts
    assert settings.preview_ttl_seconds == TTL_SECONDS > 10 * (HEAD_SECONDS + POST_SECONDS)


@pytest.mark.parametrize("workers", WORKERS)
def test_more_attachments_wait_in_a_partition_than_its_worker_takes(workers: int) -> None:
    owned = PARTITIONS // workers
    assert taken(workers) * owned <= LaneLimits(concurrency=1).high
    assert taken(workers) < CONVERSATIONS_PER_PARTITION
