"""What a worker finds in its changelogs when it starts, whoever wrote it."""

from typing import Final

import pytest

from agents.said import LinkRow
from agents.tables.due import DueRow
from stream.messages import encode
from tests.harness.kafka import RealKafka
from tests.harness.s3 import Minio
from tests.system.rig import running

pytestmark = [pytest.mark.system, pytest.mark.timeout(240)]

JUNK: Final[tuple[bytes, ...]] = (
    bytes(range(256)),
    b"",
    b"<xml/>",
    b"[]",
    b'{"some": "thing"}',
    b'{"dueAt": "tomorrow", "topic": 7}',
    b'{"dueAt": 1, "topic": "\xff"}',
    b'{"state": "nonsense"}',
    b'{"later": ' + b"[" * 100_000,
    b'"' + b"x" * 900_000 + b'"',
)


def test_foreign_rows_in_the_changelogs_neither_stop_a_start_nor_the_timer(
    kafka: RealKafka, minio: Minio, tmp_path_factory: pytest.TempPathFactory
) -> None:
    with running(tmp_path_factory.mktemp("recovery"), kafka, minio) as rig:
        nowhere = ("no-such-topic", "", "not a topic's name", "x" * 300, rig.topics.due_changelog)
        for changelog in (rig.topics.due_changelog, rig.topics.links_changelog):
            for partition in range(4):
                rig.produce(changelog, *JUNK, None, key=b"\xff\xfe", partition=partition)
                rig.produce(changelog, *JUNK, None, key=b"their-key", partition=partition)
        for number, topic in enumerate(nowhere):
            row = DueRow(due_at=0.0, topic=topic, key=b"k", value=b"junk", headers=[("attempt", b"7")])
            rig.produce(rig.topics.due_changelog, encode(row), key=b"nowhere-%d" % number)
        neither = DueRow(due_at=0.0, topic=rig.topics.lifecycle)
        long_ago = DueRow(due_at=-1e300, topic=rig.topics.lifecycle, value=b"long ago")
        rig.produce(rig.topics.due_changelog, encode(neither), key=b"neither key nor value")
        rig.produce(rig.topics.due_changelog, encode(long_ago), key=b"long ago")
        rig.produce(rig.topics.links_changelog, encode(LinkRow(state="sent", message_id="theirs")), key=b"theirs")
        worker = rig.product.add_worker()

        skipped = {table: rig.metric(f'previews_rows_skipped_total{{table="{table}"}}') for table in ("due", "links")}
        assert all(count >= 4 * 2 * (len(JUNK) - 1) for count in skipped.values()), skipped
        retried = rig.drop("late.png")  # 404 would be final: it answers 503 until it is there
        assert rig.verdict(retried) == "source_gone"
        unavailable = rig.drop(url=rig.files.url("/status/503"))
        rig.wait("a retry by the timer", lambda: rig.metric("previews_due_rows") > 0)
        rig.wait(
            "the row of long ago", lambda: any(letter.payload == b"long ago" for letter in rig.ledger.dead_letters)
        )
        rig.wait("three attempts", lambda: rig.logged(unavailable) >= 3)
        assert rig.verdict(rig.drop()) == "rendered"
        rig.wait(
            "the foreign rows to be gone", lambda: rig.metric("previews_due_rows") <= 3
        )  # expiry, forgetting, retry
        assert worker.running
        assert worker.stop(60) == 0
