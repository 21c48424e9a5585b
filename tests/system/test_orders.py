"""Erase, hold and release on real workers, Kafka and S3, by the commands that an operator has."""

import json
from collections.abc import Iterator

import pytest

from stream.messages import Erase, encode
from stream.records.homes import partition_of
from tests.harness.deployment import get
from tests.harness.kafka import RealKafka
from tests.harness.s3 import S3Server
from tests.system.rig import Rig, running
from tests.system.test_storage_outages import expired, keys

pytestmark = [pytest.mark.system, pytest.mark.timeout(240)]

FAR_AWAY = 1  # a partition that the foreign producer takes, or the one beside it


@pytest.fixture
def rig(kafka: RealKafka, s3: S3Server, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Rig]:
    short_lived = {"PREVIEW_TTL_SECONDS": "15", "WORKER_TABLE_STORE": "rocksdb"}
    with running(tmp_path_factory.mktemp("orders"), kafka, s3, short_lived) as made:
        yield made
        made.assert_sound()


def order(rig: Rig, command: str, *arguments: str) -> tuple[int, dict[str, object]]:
    """Give an order as an operator does; return the exit code and what was answered."""
    code, printed = rig.product.run("stream", command, *arguments, "--json")
    return code, json.loads(printed.strip().splitlines()[-1])


def test_a_conversation_is_erased_another_held_and_released_and_both_stay_so_over_a_kill(rig: Rig) -> None:
    worker = rig.product.add_worker()
    erased, held = rig.drop(conversationId="to-erase"), rig.drop(conversationId="to-hold")
    rig.wait_for_ends()
    urls = {event_id: rig.outcome(event_id).preview_url or "" for event_id in (erased, held)}

    code, answer = order(rig, "hold", "to-hold", "--by", "ada")
    assert (code, answer["state"], answer["previews"]) == (0, "held", 1)
    code, answer = order(rig, "erase", "to-hold", "--yes")
    assert (code, answer["state"]) == (1, "refused")
    code, answer = order(rig, "erase", "to-erase", "--yes", "--note", "article 17")
    assert (code, answer["state"], answer["previews"]) == (0, "erased", 1)
    assert get(urls[erased])[0] in {403, 404}
    assert len(keys(rig)) == 1

    worker.kill()
    rig.product.add_worker()
    late = rig.drop(conversationId="to-erase")
    assert rig.verdict(late) == "erased"
    another = rig.drop()
    rig.wait("a later preview to expire", lambda: another in expired(rig))
    assert held not in expired(rig)
    assert len(keys(rig)) == 1
    code, answer = order(rig, "release", "to-hold")
    assert (code, answer["state"], answer["previews"]) == (0, "released", 1)
    rig.wait("the released preview to expire", lambda: held in expired(rig))
    assert keys(rig) == set()
    told = [(record.event_id, record.state) for record in rig.ledger.lifecycle if record.state != "stored"]
    assert sorted(told) == sorted([(erased, "erased"), (another, "expired"), (held, "expired")])


def test_a_file_and_an_order_of_a_foreign_producer_find_their_conversation(rig: Rig) -> None:
    rig.product.add_worker()
    partitions = rig.product.kafka_settings.topic_partitions
    away = (partition_of(b"foreign", partitions) + FAR_AWAY) % partitions
    attachment = {"conversationId": "foreign", "attachmentUrl": rig.files.url("photo.png"), "eventId": "f1"}
    rig.produce(rig.topics.attachments, json.dumps(attachment).encode(), key=None, partition=away)
    rig.wait_for_ends(["f1"])
    assert rig.outcome("f1").outcome == "linked"
    assert len(keys(rig)) == 1
    rig.produce(rig.topics.lifecycle, encode(Erase(conversation_id="foreign")), key=None, partition=away)
    rig.wait("the erasure", lambda: not keys(rig))
