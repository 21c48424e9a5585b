"""`python -m agents reconcile` on Apache Kafka and real S3 servers."""

import asyncio
import json
import subprocess
import sys
import uuid
from pathlib import Path
from typing import Any

import pytest

from agents.object_keys import object_key
from agents.row_names import expiry_row
from agents.storage import S3Store, create_store
from agents.tables.due import DueRow
from stream.kafka.provisioning import provision
from stream.messages import Attachment, Expire, encode
from stream.records.conversations import ConversationRow
from stream.settings import KafkaSettings, Secret
from stream.topics import Topics
from tests.contract.own_topics import produce, topics_of_its_own
from tests.contract.test_storage import settings as storage_settings
from tests.harness.kafka import RealKafka
from tests.harness.s3 import S3Server

ROOT = Path(__file__).parents[2]
SECRET = Secret("0123456789abcdef")


class Deployment:
    """Topics and a bucket, and the command that compares them."""

    def __init__(self, kafka: KafkaSettings, s3: S3Server, monkeypatch: pytest.MonkeyPatch) -> None:
        self._kafka = kafka
        own = storage_settings(s3, s3_bucket=f"reconcile-{uuid.uuid4()}")
        self._storage = own
        given = {
            **{name: getattr(kafka, name) for name in ("kafka_bootstrap_servers", "topic_prefix", "worker_group")},
            **{name: getattr(own, name) for name in ("s3_endpoint", "s3_access_key", "s3_region", "s3_bucket")},
            "topic_partitions": kafka.topic_partitions,
            "s3_secret_key": own.s3_secret_key.reveal(),
            "genesys_client_id": "id",
            "genesys_client_secret": "secret",
            "object_key_secret": SECRET.reveal(),
        }
        for name, value in given.items():
            monkeypatch.setenv(name.upper(), str(value))

    def put(self, *keys: str) -> None:
        async def put() -> None:
            store = create_store(self._storage)
            for key in keys:
                await store.put(key, b"RIFF", content_type="image/webp", expires_at=2e9)
            await store.close()

        asyncio.run(put())

    def listed(self) -> set[str]:
        async def listed() -> set[str]:
            store = create_store(self._storage)
            assert isinstance(store, S3Store)
            found = {one.key for one in await store.listed()}
            await store.close()
            return found

        return asyncio.run(listed())

    def write_rows(self, *keys: str) -> None:
        topics = Topics.of(self._kafka)
        rows = []
        for key in keys:
            command = Expire(event_id="e", conversation_id="c", object_key=key, expires_at=2e9)
            row = DueRow(due_at=2e9, topic=topics.lifecycle, key=b"c", value=encode(command))
            rows.append((expiry_row(key).encode(), encode(row), None))
        produce(self._kafka, topics.due_changelog, *rows)

    def hold(self, conversation_id: str) -> None:
        row = ConversationRow(state="held", order_id="o", at=1.0)
        changelog = Topics.of(self._kafka).conversations_changelog
        produce(self._kafka, changelog, (conversation_id.encode(), encode(row), None))

    def run(self, *options: str) -> subprocess.CompletedProcess[str]:
        command = [sys.executable, "-m", "agents", "reconcile", *options]
        return subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)

    def reconcile(self, *options: str) -> tuple[int, dict[str, Any]]:
        ended = self.run("--json", *options)
        return ended.returncode, json.loads(ended.stdout or "{}")


def key(name: str) -> str:
    return object_key(SECRET, Attachment(conversation_id="c", file_name=name, attachment_url="x"), "00", "1")


@pytest.fixture
def deployment(kafka: RealKafka, real_s3: S3Server, monkeypatch: pytest.MonkeyPatch) -> Any:
    with topics_of_its_own(kafka) as own:
        provision(own, create=True, wait_seconds=20.0)
        yield Deployment(own, real_s3, monkeypatch)


def test_orphans_are_named_and_deleted_on_demand_and_nothing_else_is(deployment: Deployment) -> None:
    alive, orphan, foreign = key("alive.png"), key("orphan.png"), "somebody/elses.webp"
    deployment.put(alive, orphan, foreign)
    deployment.write_rows(alive, key("never stored.png"))
    code, told = deployment.reconcile("--grace-hours=-1")
    assert (code, told["orphanKeys"], told["deleted"]) == (1, [orphan], 0)
    assert (told["objects"], told["foreign"], told["rowsWithoutObject"], told["orphanBytes"]) == (2, 1, 1, 4)
    assert deployment.reconcile()[1]["young"] == 1
    code, told = deployment.reconcile("--grace-hours=-1", "--delete")
    assert (code, told["deleted"]) == (0, 1)
    assert deployment.listed() == {alive, foreign}
    assert deployment.reconcile("--grace-hours=-1")[0] == 0


def test_more_orphans_than_were_expected_are_all_left_alone(deployment: Deployment) -> None:
    keys = {key("1.png"), key("2.png")}
    deployment.put(*keys)
    code, told = deployment.reconcile("--grace-hours=-1", "--delete", "--at-most=1")
    assert (code, told["deleted"]) == (1, 0)
    assert deployment.listed() == keys


def test_previews_of_held_conversations_are_left_alone(deployment: Deployment) -> None:
    deployment.put(key("held.png"))
    deployment.hold("c")
    assert deployment.reconcile("--grace-hours=-1", "--delete")[0] == 0
    assert deployment.listed() == {key("held.png")}


def test_a_bucket_that_is_not_there_holds_no_orphans(deployment: Deployment) -> None:
    assert deployment.reconcile()[0] == 0


def test_storage_that_cannot_be_listed_is_a_wrong_setting(
    deployment: Deployment, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("STORAGE_MODE", "presigned")
    monkeypatch.setenv("CDN_PRESIGNED_URL_TEMPLATE", "https://cdn.example.com/{key}?signature=x")
    ended = deployment.run()
    assert ended.returncode == 2
    assert "STORAGE_MODE='presigned' is wrong: s3" in ended.stderr
