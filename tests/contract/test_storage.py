"""What the agents expect of a store: the S3 store and the presigned one, on the double and on real servers alike."""

import asyncio
import json
import time
import uuid
from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta

import msgspec
import pytest
import urllib3
from minio import Minio

from agents.settings import WorkerSettings
from agents.storage import ObjectStore, create_store
from stream.failures import Failure, Held, Reason, Retryable
from stream.settings import Secret
from tests.harness.s3 import S3Server

BODY = b"RIFF\x04\x00\x00\x00WEBP"
TTL_SECONDS = 600.0


def settings(server: S3Server, **changes: object) -> WorkerSettings:
    plain = WorkerSettings(
        genesys_client_id="id", genesys_client_secret=Secret("secret"), object_key_secret=Secret("0123456789abcdef")
    )
    given: dict[str, object] = {
        "s3_endpoint": server.endpoint,
        "s3_access_key": server.access_key,
        "s3_secret_key": Secret(server.secret_key),
        "s3_region": server.region,
        "s3_bucket": f"previews-{uuid.uuid4()}",
        **changes,
    }
    return msgspec.structs.replace(plain, **given)


def client(server: S3Server) -> Minio:
    http = urllib3.PoolManager(retries=False, timeout=10)
    return Minio(
        server.address, server.access_key, server.secret_key, secure=False, region=server.region, http_client=http
    )


def public_bucket(server: S3Server) -> str:
    """Make a bucket that anybody may read and write, as a CDN with its own signature does behind its address."""
    name = f"cdn-{uuid.uuid4()}"
    client(server).make_bucket(name)
    statement = {
        "Effect": "Allow",
        "Principal": {"AWS": ["*"]},
        "Action": ["s3:GetObject", "s3:PutObject"],
        "Resource": [f"arn:aws:s3:::{name}/*"],
    }
    client(server).set_bucket_policy(name, json.dumps({"Version": "2012-10-17", "Statement": [statement]}))
    return name


def presigned_template(server: S3Server, key: str, *, ended: bool = False) -> str:
    """Return the real presigned PUT address of one key, as the template that would be signed for all."""
    bucket = public_bucket(server)
    start = datetime.fromtimestamp(time.time(), UTC) - timedelta(seconds=3600 if ended else 0)
    url = client(server).get_presigned_url("PUT", bucket, key, expires=timedelta(seconds=60), request_date=start)
    return url.replace(key, "{key}")


@pytest.fixture(params=["s3", "s3-public", "presigned"])
async def store(request: pytest.FixtureRequest, s3: S3Server) -> AsyncIterator[ObjectStore]:
    built = create_store(settings(s3, **variant(request.param, s3)))
    await built.start()
    yield built
    await built.close()


def variant(name: str, server: S3Server) -> dict[str, object]:
    if name == "s3":
        return {}
    bucket = public_bucket(server)
    if name == "s3-public":
        return {"s3_bucket": bucket, "s3_public_base_url": f"{server.endpoint}/{bucket}/"}
    template = f"{server.endpoint}/{bucket}/{{key}}?token=not-for-the-public"
    return {"storage_mode": "presigned", "cdn_presigned_url_template": template, "cdn_acl": "public-read"}


def get(url: str) -> urllib3.BaseHTTPResponse:
    return urllib3.request("GET", url, retries=False, timeout=10)


async def put(store: ObjectStore, key: str, ttl_seconds: float = TTL_SECONDS) -> str:
    now = time.time()
    await store.put(key, BODY, content_type="image/webp", expires_at=now + ttl_seconds)
    return store.url(key, now + ttl_seconds, now)


async def failure_of_put(store: ObjectStore, key: str = "c/k.webp") -> Failure:
    with pytest.raises(Failure) as caught:
        await put(store, key)
    return caught.value


async def test_what_was_put_is_read_at_its_address_as_a_picture_to_show(store: ObjectStore) -> None:
    answer = get(await put(store, "conversation/object.webp"))
    assert answer.status == 200
    assert answer.data == BODY
    assert answer.headers["Content-Type"] == "image/webp"
    assert answer.headers["Content-Disposition"] == "inline"


async def test_no_cache_is_told_to_keep_an_object_longer_than_it_lives(store: ObjectStore) -> None:
    answer = get(await put(store, "c/short.webp", ttl_seconds=100))
    seconds = int(answer.headers["Cache-Control"].rpartition("max-age=")[2])
    assert 95 <= seconds <= 100


async def test_an_object_exists_from_put_to_delete(store: ObjectStore) -> None:
    assert not await store.exists("c/life.webp")
    await put(store, "c/life.webp")
    assert await store.exists("c/life.webp")
    await store.delete(["c/life.webp"])
    assert not await store.exists("c/life.webp")


async def test_a_deleted_picture_can_no_longer_be_seen_and_may_be_deleted_again(store: ObjectStore) -> None:
    url = await put(store, "c/gone.webp")
    await store.delete(["c/gone.webp"])
    await store.delete(["c/gone.webp"])
    assert BODY not in get(url).data


async def test_many_objects_are_deleted_at_once_those_that_are_not_there_too(store: ObjectStore) -> None:
    keys = [f"c/many-{number}.webp" for number in range(12)]
    await asyncio.gather(*(put(store, key) for key in keys))
    await store.delete([*keys[:10], "c/never-was.webp"])
    await store.delete(keys[:10])
    await store.delete([])
    assert await asyncio.gather(*(store.exists(key) for key in keys)) == [*[False] * 10, True, True]


async def test_more_objects_than_one_request_takes_are_deleted(s3: S3Server) -> None:
    store = create_store(settings(s3))
    await put(store, "c/last.webp")
    await store.delete([*(f"c/{number}.webp" for number in range(1000)), "c/last.webp"])
    assert not await store.exists("c/last.webp")
    await store.close()


async def test_many_objects_of_a_bucket_that_is_missing_are_as_good_as_deleted(s3: S3Server) -> None:
    store = create_store(settings(s3))
    await store.delete(["c/k.webp"])
    await store.close()


async def test_writing_twice_is_harmless(store: ObjectStore) -> None:
    await put(store, "c/twice.webp")
    assert get(await put(store, "c/twice.webp")).data == BODY


async def test_many_puts_at_once_all_arrive(store: ObjectStore) -> None:
    keys = [f"c/{number}.webp" for number in range(40)]
    await asyncio.gather(*(put(store, key) for key in keys))
    assert all(await asyncio.gather(*(store.exists(key) for key in keys)))


async def test_the_address_says_nothing_of_the_signature_of_the_put(s3: S3Server) -> None:
    store = create_store(settings(s3, **variant("presigned", s3)))
    assert store.url("c/k.webp", 0, 0).endswith("/c/k.webp")
    await store.close()


async def test_workers_that_start_at_once_share_one_bucket(s3: S3Server) -> None:
    bucket = f"shared-{uuid.uuid4()}"
    stores = [create_store(settings(s3, s3_bucket=bucket)) for _ in range(6)]
    await asyncio.gather(*(store.start() for store in stores))
    await put(stores[0], "c/k.webp")
    assert await stores[5].exists("c/k.webp")
    for store in stores:
        await store.close()


async def test_a_bucket_that_is_missing_is_made_by_the_first_put(s3: S3Server) -> None:
    store = create_store(settings(s3))
    assert not await store.exists("c/k.webp")
    await store.delete(["c/k.webp"])
    assert get(await put(store, "c/k.webp")).data == BODY
    await store.close()


async def test_a_presigned_get_ends_when_the_preview_ends(real_s3: S3Server) -> None:
    store = create_store(settings(real_s3))
    await put(store, "c/k.webp")
    now = time.time()
    assert get(store.url("c/k.webp", now + 60, now)).status == 200
    assert get(store.url("c/k.webp", now - 60, now - 120)).status == 403
    assert get(store.url("c/k.webp", now + 10**8, now)).status == 200  # cut to what Signature V4 allows
    await store.close()


async def test_presigned_get_is_signed_for_the_address_that_readers_use(s3: S3Server) -> None:
    store = create_store(settings(s3, s3_public_endpoint="https://previews.example.com"))
    assert store.url("c/k.webp", 100, 0).startswith("https://previews.example.com/")
    await store.close()


async def test_a_key_that_is_wrong_later_holds_whatever_is_asked(real_s3: S3Server) -> None:
    good = settings(real_s3)
    store = create_store(good)
    await store.start()
    wrong = create_store(settings(real_s3, s3_bucket=good.s3_bucket, s3_secret_key=Secret("wrong-secret-key")))
    for call in (lambda: put(wrong, "c/k.webp"), lambda: wrong.exists("c/k.webp"), lambda: wrong.delete(["c/k.webp"])):
        with pytest.raises(Held, match="storage_access_refused"):
            await call()
    await store.close()
    await wrong.close()


@pytest.mark.parametrize(
    "change", [{"s3_secret_key": Secret("wrong-secret-key")}, {"s3_access_key": "unknown"}, {"s3_access_key": ""}]
)
async def test_a_wrong_key_holds_the_lane_instead_of_failing_every_record(
    real_s3: S3Server, change: dict[str, object]
) -> None:
    store = create_store(settings(real_s3, **change))
    caught = await failure_of_put(store)
    assert isinstance(caught, Held)
    assert caught.reason is Reason.STORAGE_ACCESS_REFUSED
    assert real_s3.secret_key not in str(caught)
    with pytest.raises(Held, match="storage_access_refused"):
        await store.start()
    await store.close()


async def test_a_server_that_is_down_is_tried_again_and_found_when_it_is_back(own_s3: S3Server) -> None:
    store = create_store(settings(own_s3, s3_timeout_seconds=5.0))
    await store.start()
    own_s3.stop()
    caught = await failure_of_put(store)
    assert isinstance(caught, Retryable)
    assert caught.reason is Reason.STORAGE_UNAVAILABLE
    for call in (store.start, lambda: store.exists("c/k.webp"), lambda: store.delete(["c/k.webp"])):
        with pytest.raises(Retryable, match="storage_unavailable"):
            await call()
    own_s3.start()
    await put(store, "c/k.webp")
    assert await store.exists("c/k.webp")
    await store.close()


async def test_a_server_that_hangs_is_given_up_at_the_deadline(own_s3: S3Server) -> None:
    store = create_store(settings(own_s3, s3_timeout_seconds=0.5))
    await put(create_store(settings(own_s3)), "c/k.webp")
    own_s3.pause()
    start = time.monotonic()
    try:
        caught = await failure_of_put(store)
    finally:
        own_s3.resume()
    assert caught.reason is Reason.STORAGE_UNAVAILABLE
    assert time.monotonic() - start < 3
    await put(store, "c/k.webp")
    await store.close()


async def failure_of_filling(store: ObjectStore) -> Failure:
    for number in range(10):
        try:
            await store.put(f"c/{number}", bytes(400_000), content_type="image/webp", expires_at=time.time() + 60)
        except Failure as failure:
            return failure
    pytest.fail("4 MB fit on a disk of 2 MB")


async def test_a_full_disk_has_its_own_reason(full_s3: S3Server) -> None:
    store = create_store(settings(full_s3))
    await store.start()
    caught = await failure_of_filling(store)
    assert isinstance(caught, Retryable)
    assert caught.reason is Reason.STORAGE_FULL
    await store.close()


async def test_a_really_presigned_address_takes_the_picture(real_s3: S3Server) -> None:
    template = presigned_template(real_s3, "key.webp")
    store = create_store(settings(real_s3, storage_mode="presigned", cdn_presigned_url_template=template))
    assert get(await put(store, "key.webp")).data == BODY
    await store.close()


async def test_an_expired_presigned_address_holds_the_lane_with_its_own_reason(real_s3: S3Server) -> None:
    template = presigned_template(real_s3, "key.webp", ended=True)
    store = create_store(settings(real_s3, storage_mode="presigned", cdn_presigned_url_template=template))
    caught = await failure_of_put(store, "key.webp")
    assert isinstance(caught, Held)
    assert caught.reason is Reason.PRESIGNED_EXPIRED
    assert "X-Amz-Signature" not in str(caught)
    await store.close()
