"""S3 away, frozen and full: previews are linked once it is back, and those that expired meanwhile are deleted."""

import io
from collections.abc import Iterator

import pytest
from minio import Minio as Client
from PIL import Image

from tests.harness.deployment import get
from tests.harness.kafka import RealKafka
from tests.harness.s3 import Minio, S3Server
from tests.system.rig import Rig, running

pytestmark = [pytest.mark.system, pytest.mark.timeout(240)]

FILLER_BYTES = 1_950_000


def noise() -> bytes:
    """Return a picture whose preview is some 30 KB."""
    out = io.BytesIO()
    Image.effect_noise((300, 300), 200).save(out, "PNG")
    return out.getvalue()


def client(s3: S3Server) -> Client:
    return Client(s3.address, access_key=s3.access_key, secret_key=s3.secret_key, secure=False, region=s3.region)


def keys(rig: Rig) -> set[str]:
    bucket = f"{rig.product.kafka_settings.worker_group.removesuffix('-previews')}-bucket"
    return {item.object_name or "" for item in client(rig.s3).list_objects(bucket, recursive=True)}


@pytest.fixture
def rig(kafka: RealKafka, own_minio: Minio, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Rig]:
    short_lived = {"PREVIEW_TTL_SECONDS": "15"}
    with running(tmp_path_factory.mktemp("s3-outages"), kafka, own_minio, short_lived) as made:
        yield made
        made.assert_sound()


def test_previews_are_linked_after_an_outage_and_expire_though_their_time_came_during_one(rig: Rig) -> None:
    rig.s3.stop()
    worker = rig.product.add_worker(wait=False)  # S3 is down at its start
    early = rig.drop()
    rig.wait("a retry", lambda: rig.logged("storage_unavailable") > 1)
    assert rig.readiness()[0] == 503
    rig.s3.start()
    rig.product.wait_for_worker(0)
    assert rig.verdict(early) == "rendered"
    url = rig.outcome(early).preview_url or ""
    assert get(url)[0] == 200
    assert keys(rig)

    rig.s3.pause()
    frozen = [rig.drop() for _ in range(3)]
    rig.wait("retries", lambda: all(rig.logged(f'attachment.retry event_id="{event_id}"') for event_id in frozen))
    rig.s3.resume()
    rig.wait_for_ends(frozen)
    rig.s3.stop()
    away = [rig.drop() for _ in range(3)]
    lifecycle_held = f'previews_lane_held{{lane="{rig.topics.lifecycle}"}}'
    rig.wait("the expiry to be tried and held", lambda: rig.metric(lifecycle_held) == 1)
    status, told = rig.readiness()
    assert (status, '"storage":"calls to storage wait' in told) == (200, True)
    rig.s3.start()
    rig.wait_for_ends()
    assert {rig.outcome(event_id).verdict for event_id in [early, *frozen, *away]} == {"rendered"}
    assert not rig.ledger.dead_letters
    # Both: a preview whose row came due before S3 was back is told to have expired, and stored after that.
    rig.wait("every preview to expire", lambda: expired(rig) >= set(rig.accepted) and not keys(rig))
    assert get(url)[0] in {403, 404}
    assert worker.stop(60) == 0


def expired(rig: Rig) -> set[str]:
    return {record.event_id for record in rig.ledger.lifecycle if record.state == "expired"}


def test_a_full_storage_is_tried_again_until_there_is_room(
    kafka: RealKafka, full_s3: S3Server, tmp_path_factory: pytest.TempPathFactory
) -> None:
    with running(tmp_path_factory.mktemp("full-s3"), kafka, full_s3) as rig:
        worker = rig.product.add_worker()
        store = client(full_s3)
        store.make_bucket("filler")
        store.put_object("filler", "filler", io.BytesIO(bytes(FILLER_BYTES)), FILLER_BYTES)
        noisy = rig.files.add("noise.png", noise())
        dropped = [rig.drop("noise.png", noisy) for _ in range(6)]
        rig.wait("a retry for want of room", lambda: rig.logged("storage_full") > 0)
        store.remove_object("filler", "filler")
        rig.wait_for_ends()
        assert {rig.outcome(event_id).verdict for event_id in dropped} == {"rendered"}
        assert worker.stop(60) == 0
        rig.assert_sound()
