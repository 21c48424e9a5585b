"""What product and tests expect of an S3 server, of the double and of real ones alike."""

import io
import uuid
from datetime import UTC, datetime, timedelta

import pytest
import urllib3
from minio import Minio
from minio.error import S3Error

from tests.harness.s3 import S3Server

BODY = b"RIFF....WEBP"
TIMEOUT_SECONDS = 10.0


def http() -> urllib3.PoolManager:
    return urllib3.PoolManager(retries=False, timeout=TIMEOUT_SECONDS)


def client(server: S3Server, secret_key: str | None = None) -> Minio:
    secret = secret_key or server.secret_key
    return Minio(server.address, server.access_key, secret, secure=False, region=server.region, http_client=http())


@pytest.fixture
def bucket(s3: S3Server) -> str:
    name = f"previews-{uuid.uuid4()}"
    client(s3).make_bucket(name)
    return name


def put(server: S3Server, bucket: str, key: str, body: bytes = BODY) -> None:
    headers = {"Cache-Control": "private, max-age=60"}
    client(server).put_object(bucket, key, io.BytesIO(body), len(body), "image/webp", metadata=dict(headers))


def test_an_object_keeps_its_bytes_type_and_cache_header(s3: S3Server, bucket: str) -> None:
    put(s3, bucket, "conversation/preview.webp")
    answer = client(s3).get_object(bucket, "conversation/preview.webp")
    assert answer.data == BODY
    assert answer.headers["Content-Type"] == "image/webp"
    assert answer.headers["Cache-Control"] == "private, max-age=60"
    assert client(s3).stat_object(bucket, "conversation/preview.webp").size == len(BODY)


def test_writing_twice_leaves_the_second(s3: S3Server, bucket: str) -> None:
    put(s3, bucket, "key", b"first")
    put(s3, bucket, "key", b"second")
    assert client(s3).get_object(bucket, "key").data == b"second"


def test_a_deleted_object_is_gone_and_may_be_deleted_again(s3: S3Server, bucket: str) -> None:
    put(s3, bucket, "key")
    client(s3).remove_object(bucket, "key")
    client(s3).remove_object(bucket, "key")
    with pytest.raises(S3Error, match="NoSuchKey"):
        client(s3).stat_object(bucket, "key")


def test_a_conversation_is_listed_by_its_prefix(s3: S3Server, bucket: str) -> None:
    for key in ("one/a", "one/b", "two/a"):
        put(s3, bucket, key)
    found = client(s3).list_objects(bucket, prefix="one/", recursive=True)
    assert sorted(str(item.object_name) for item in found) == ["one/a", "one/b"]


def test_a_missing_bucket_is_named(s3: S3Server) -> None:
    with pytest.raises(S3Error, match="NoSuchBucket"):
        put(s3, f"missing-{uuid.uuid4()}", "key")


def test_a_presigned_address_is_read_without_keys(s3: S3Server, bucket: str) -> None:
    put(s3, bucket, "key")
    url = client(s3).presigned_get_object(bucket, "key", expires=timedelta(minutes=1))
    assert http().request("GET", url).data == BODY


def test_a_presigned_address_takes_a_put(s3: S3Server, bucket: str) -> None:
    url = client(s3).presigned_put_object(bucket, "key", expires=timedelta(minutes=1))
    assert http().request("PUT", url, body=BODY, headers={"Content-Type": "image/webp"}).status == 200
    assert client(s3).get_object(bucket, "key").data == BODY


# The double checks neither signatures nor their end: only real servers can tell.
def test_a_real_server_refuses_a_presigned_address_that_has_ended(real_s3: S3Server) -> None:
    bucket = f"previews-{uuid.uuid4()}"
    client(real_s3).make_bucket(bucket)
    put(real_s3, bucket, "key")
    long_ago = datetime.now(UTC) - timedelta(hours=2)
    url = client(real_s3).get_presigned_url("GET", bucket, "key", expires=timedelta(minutes=1), request_date=long_ago)
    assert http().request("GET", url).status == 403


def test_a_real_server_refuses_a_wrong_secret(real_s3: S3Server) -> None:
    with pytest.raises(S3Error, match="SignatureDoesNotMatch"):
        client(real_s3, "wrong-secret-key").list_buckets()


def test_a_server_keeps_its_port_over_an_outage_and_a_real_one_its_objects(own_s3: S3Server) -> None:
    client(own_s3).make_bucket("previews")
    put(own_s3, "previews", "key")
    own_s3.stop()
    with pytest.raises(urllib3.exceptions.HTTPError):
        put(own_s3, "previews", "key")
    own_s3.start()
    assert client(own_s3).bucket_exists("previews") is own_s3.keeps_objects


def test_a_frozen_server_answers_nothing_and_goes_on(own_s3: S3Server) -> None:
    own_s3.pause()
    assert not own_s3.ready()
    own_s3.resume()
    assert own_s3.ready()


def test_a_full_disk_is_answered_and_reading_goes_on(full_s3: S3Server) -> None:
    client(full_s3).make_bucket("previews")
    put(full_s3, "previews", "small")
    with pytest.raises(S3Error) as refused:
        put(full_s3, "previews", "large", b"x" * 3_000_000)
    assert refused.value.code == "InsufficientStorage"
    assert client(full_s3).get_object("previews", "small").data == BODY
