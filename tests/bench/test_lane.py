from aiokafka.partitioner import DefaultPartitioner

from bench.lane.__main__ import PARTITIONS, SESSION_SECONDS, figures
from bench.lane.load import attachment, conversations_by_partition, event_id_of
from bench.lane.worker import Told
from stream.messages import decode_attachment


def test_the_last_line_takes_off_what_bare_faust_needs_and_tells_the_longest_pause() -> None:
    ours = Told(
        cpu_ms_per_event=1.75, events_per_second=333.4, rss_growth_bytes=4096, rss_events=50_000, held_max=97,
        held_by_lane={"attachments": 32},
    )  # fmt: skip
    bare = Told(cpu_ms_per_event=0.25, events_per_second=9000.0)
    assert figures(100_000, ours=ours, bare=bare, pauses=[6.5, 7.126, 7.0]) == {
        "backlog": 100_000,
        "held_max": 97,
        "held_by_lane_when_all_jobs_hang": {"attachments": 32},
        "rss_growth_bytes": 4096,
        "rss_events": 50_000,
        "cpu_ms_per_event": 1.5,
        "worker_cpu_ms_per_event": 1.75,
        "bare_faust_cpu_ms_per_event": 0.25,
        "events_per_second": 333,
        "recovery_seconds": 7.13,
        "session_seconds": SESSION_SECONDS,
        "kills": 3,
    }


def test_an_event_is_known_by_the_address_of_its_file() -> None:
    written = decode_attachment(attachment("backlog-17", "conversation-1"))
    assert event_id_of(written.attachment_url) == "backlog-17"


def test_each_partition_has_a_conversation_whose_key_leads_there() -> None:
    found, every = conversations_by_partition(PARTITIONS), list(range(PARTITIONS))
    to_partition = DefaultPartitioner()
    assert {partition: to_partition(name.encode(), every, every) for partition, name in found.items()} == {
        partition: partition for partition in every
    }
