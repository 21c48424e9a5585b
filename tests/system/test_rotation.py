"""Secrets are exchanged in a running deployment: what goes on, and what ends; see docs/operations.md."""

import uuid
from collections.abc import Iterator

import pytest
import urllib3
from minio import MinioAdmin
from minio.credentials.providers import StaticProvider

from tests.harness.deployment import post_json
from tests.harness.kafka import RealKafka
from tests.harness.s3 import Minio
from tests.system.progress import uncommitted
from tests.system.rig import Rig, running

pytestmark = [pytest.mark.system, pytest.mark.timeout(240)]


@pytest.fixture(scope="module")
def rig(kafka: RealKafka, minio: Minio, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Rig]:
    with running(tmp_path_factory.mktemp("rotation"), kafka, minio) as made:
        yield made
        made.assert_sound()


def restarted(rig: Rig, **settings: str) -> None:
    """End the worker in order and start one with other settings."""
    assert rig.product.workers[-1].stop(60) == 0
    rig.product.settings |= settings
    rig.product.add_worker()


def opens(rig: Rig, event_id: str) -> int:
    """Open the link of an event as a guest does; return the status."""
    url = rig.outcome(event_id).preview_url
    assert url
    return urllib3.request("GET", url, retries=False, timeout=10).status


def s3_user(minio: Minio) -> tuple[MinioAdmin, str]:
    """Add a user who may read and write; its secret is its name."""
    root = StaticProvider(minio.access_key, minio.secret_key)
    admin = MinioAdmin(endpoint=minio.address, credentials=root, region=minio.region, secure=False)
    name = f"user-{uuid.uuid4().hex[:12]}"
    admin.user_add(name, name)
    admin.policy_set("readwrite", user=name)
    return admin, name


def test_another_secret_of_object_keys_leaves_links_alone_and_says_nothing_twice(rig: Rig) -> None:
    rig.product.add_worker()
    event_id = rig.drop(conversationId="c", eventId="rendered twice")
    rig.wait_for_ends()
    link = rig.outcome(event_id).preview_url
    restarted(rig, OBJECT_KEY_SECRET="another secret of this deployment")
    rig.drop(conversationId="c", eventId="rendered twice")
    rig.wait("the copy to end", lambda: not uncommitted(rig.product.kafka_settings, *rig.topics.read))
    keys = {record.object_key for record in rig.ledger.lifecycle if record.event_id == event_id}
    assert len(keys) == 2  # the copy was rendered under another name, and is deleted in its own time
    assert rig.posts_of(event_id) == 1
    assert link
    assert urllib3.request("GET", link, retries=False, timeout=10).status == 200
    assert rig.product.workers[-1].stop(60) == 0


def test_links_that_a_key_of_s3_has_signed_end_with_that_key_and_not_before(rig: Rig, minio: Minio) -> None:
    (admin, old), (_, new) = s3_user(minio), s3_user(minio)
    rig.product.add_worker(S3_ACCESS_KEY=old, S3_SECRET_KEY=old)
    before = rig.drop()
    rig.wait_for_ends()
    restarted(rig, S3_ACCESS_KEY=new, S3_SECRET_KEY=new)
    after = rig.drop()
    rig.wait_for_ends()
    assert (opens(rig, before), opens(rig, after)) == (200, 200)
    admin.user_disable(old)
    assert (opens(rig, before), opens(rig, after)) == (403, 200)
    assert rig.product.workers[-1].stop(60) == 0


def test_a_webhooks_secret_holds_beside_its_successor_until_it_is_taken_away(rig: Rig) -> None:
    event = {"event": "webchat:attachment", "data": {"conversationId": "d", "attachmentUrl": rig.files.url("a.png")}}
    both = rig.product.add_bridge(WEBHOOK_TUTORIAL_CREDENTIALS="bearer:old,bearer:new")
    rig.product.add_bridge(WEBHOOK_TUTORIAL_CREDENTIALS="bearer:new")

    def status(bridge: int, token: str) -> int:
        headers = {"Authorization": f"Bearer {token}"}
        address = rig.product.webhook_urls[bridge]
        return urllib3.request("POST", address, json=event, headers=headers, retries=False, timeout=10).status

    assert [(status(1, token), status(2, token)) for token in ("old", "new")] == [(202, 401), (202, 202)]
    assert post_json(rig.product.webhook_urls[1], event)[0] == 401
    assert both.running
