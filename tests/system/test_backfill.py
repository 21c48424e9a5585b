"""Webhooks that never came: the backfill publishes what is missing, the workers post each file once."""

import json
import time
from collections.abc import Iterator
from typing import Any

import pytest

from stream.backfill.window import iso
from stream.messages import decode_attachment
from tests.harness.deployment import post_json
from tests.harness.kafka import RealKafka
from tests.harness.s3 import Minio
from tests.system.rig import Rig, running

pytestmark = [pytest.mark.system, pytest.mark.timeout(240)]


@pytest.fixture(scope="module")
def rig(kafka: RealKafka, minio: Minio, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Rig]:
    with running(tmp_path_factory.mktemp("backfill"), kafka, minio) as made:
        yield made
        made.assert_sound()


def attach(rig: Rig, conversation: int, name: str = "photo.png") -> dict[str, Any]:
    """Let a guest send a file; whether anybody tells of it is the test's affair."""
    png, _ = rig.files.files.contents["photo.png"]
    return rig.genesys.control.attach(f"guest-{conversation}", name, "image/png", png)


def notify(rig: Rig, sent: dict[str, Any]) -> None:
    """Tell of a file as Genesys's notifications do."""
    media = {
        "id": sent["attachmentId"],
        "name": sent["fileName"],
        "mediaType": "image/png",
        "url": sent["attachmentUrl"],
    }
    message = {"message": {"id": sent["messageId"]}, "messageStatus": "received", "media": [media]}
    participant = {"purpose": "customer", "messages": [message]}
    event = {
        "topicName": "v2.routing.queues.q.conversations.messages",
        "version": "2",
        "eventBody": {"id": sent["conversationId"], "participants": [participant]},
    }
    status, answer = post_json(rig.product.webhook_url, event)
    assert status == 202, (status, answer)
    rig.accepted.append(str(answer["eventId"]))


def backfill(rig: Rig, since: float, *arguments: str) -> tuple[int, dict[str, Any]]:
    """Run the command; return its exit code and its sums."""
    window = ["--since", iso(since), "--until", iso(time.time() + 60), "--started-since", iso(since)]
    pace = ["--calls-per-minute", "100000", "--json"]
    code, printed = rig.product.run("stream", "backfill", *window, *pace, *arguments)
    *_, sums = [json.loads(line) for line in printed.splitlines() if line.startswith("{")] or [{}]
    assert "conversations" in sums, printed
    return code, sums


def published(rig: Rig) -> list[str]:
    return sorted(decode_attachment(record.value).event_id for record in rig.records(rig.topics.attachments))


def test_a_backfill_publishes_what_is_missing_once_and_a_second_one_nothing(rig: Rig) -> None:
    since = time.time() - 60
    for number in range(12):
        sent = attach(rig, number)
        known = {name: sent[name] for name in ("conversationId", "messageId", "attachmentId")}
        match number % 4:
            case 0:
                notify(rig, sent)
            case 1:
                rig.drop(url=sent["attachmentUrl"], **known)
            case 2:  # a flow that knows no ids, and hands on an address of its own
                rig.drop(url=rig.files.url(f"photo.png?x={number}"), conversationId=sent["conversationId"])
    lost = [attach(rig, number) for number in (0, 1, 20)]
    delivered = published(rig)
    assert len(delivered) == 9

    assert backfill(rig, since, "--dry-run") == (
        0,
        {
            "conversations": 13,
            "unread": 0,
            "erased": 0,
            "files": 15,
            "known": {"event_id": 3, "file_name": 3, "message": 3},
            "would_publish": 6,
            "failed": 0,
        },
    )
    assert published(rig) == delivered
    code, sums = backfill(rig, since, "--yes")
    assert (code, sums["published"], sums["failed"]) == (0, 6, 0)
    added = [event_id for event_id in published(rig) if event_id not in delivered]
    assert len(added) == 6
    assert {f"{sent['messageId']}:{sent['attachmentId']}" for sent in lost} < set(added)

    notify(rig, lost[-1])  # after all, and under the event id that the backfill gave it
    worker = rig.product.add_worker()
    rig.accepted += added
    rig.wait_for_ends()
    posts = {one["id"]: one["messages"] for one in rig.genesys.control.conversations()}
    outbound = {name: sum(message["direction"] == "outbound" for message in held) for name, held in posts.items()}
    assert outbound == {f"guest-{number}": 1 + (number in (0, 1)) for number in (*range(12), 20)}
    code, sums = backfill(rig, since, "--yes")
    assert (code, sums["published"], sums["known"]) == (0, 0, {"event_id": 9, "file_name": 3, "message": 3})
    assert worker.stop(60) == 0
