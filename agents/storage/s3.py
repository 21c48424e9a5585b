"""Previews on any S3 server, through the minio client."""

import asyncio
import math
import time
from collections.abc import Callable, Sequence
from datetime import UTC, datetime, timedelta
from io import BytesIO
from typing import Final

from minio import Minio
from minio.datatypes import Object
from minio.deleteobjects import DeleteObject
from minio.error import MinioException, S3Error
from urllib3.exceptions import HTTPError

from agents.storage.store import StoredObject, object_headers
from agents.storage.threads import StorageThreads
from agents.storage.verdicts import failure_of, failure_of_answer

MAX_PRESIGNED_SECONDS: Final = 604_800  # AWS Signature V4: X-Amz-Expires is at most seven days
DELETED_AT_ONCE: Final = 1000  # what one DeleteObjects takes
DELETED_SIDE_BY_SIDE: Final = 4  # where there is no DeleteObjects; more would keep others from the threads
OK: Final = 200  # the status of an answer that refuses some of many keys
_WITHOUT_MULTIPLE_DELETE: Final = frozenset({"NotImplemented", "MethodNotAllowed"})  # some gateways to other storages
_ABSENT: Final = frozenset({"NoSuchKey", "NoSuchObject", "NoSuchVersion"})


class S3Store:
    """One bucket, made when it is missing.

    The key needs s3:PutObject, s3:GetObject, s3:DeleteObject on the objects and s3:ListBucket on the bucket (without it
    S3 answers 403 instead of 404 for a missing object), s3:CreateBucket only where the bucket is to be made.
    """

    def __init__(
        self,
        client: Minio,
        *,
        bucket: str,
        threads: StorageThreads,
        public_base_url: str = "",
        signer: Minio | None = None,
        now: Callable[[], float] = time.time,
    ) -> None:
        """Take the clients; none is asked anything yet.

        Args:
            client: Its urllib3 pool must not retry (the topics do) and hold a connection a thread.
            bucket: Where the previews go.
            threads: Shared by nobody else.
            public_base_url: Put before a key; "" for presigned GET.
            signer: Signs presigned GET for the address under which readers reach the server; `client` when None.
            now: Unix seconds.
        """
        self._client = client
        self._signer = signer or client
        self._bucket = bucket
        self._threads = threads
        self._public_base_url = public_base_url.rstrip("/")
        self._now = now

    async def start(self) -> None:
        """Make the bucket unless it is there; another worker may do the same at the same moment."""
        await self._threads.call(self._ensure_bucket)

    async def put(self, key: str, data: bytes, *, content_type: str, expires_at: float) -> None:
        """Write an object; a bucket that went missing is made once more."""
        await self._threads.call(self._put, key, data, content_type, expires_at)

    async def exists(self, key: str) -> bool:
        """Return whether the object is there."""
        return await self._threads.call(self._exists, key)

    async def delete(self, keys: Sequence[str]) -> None:
        """Take objects away, 1,000 with one request; one by one where the server knows no such request."""
        for first in range(0, len(keys), DELETED_AT_ONCE):
            some = keys[first : first + DELETED_AT_ONCE]
            if not await self._threads.call(self._delete, some):
                await self._delete_singly(some)

    async def _delete_singly(self, keys: Sequence[str]) -> None:
        """Delete each under a deadline of its own: all of them under one would never be done."""
        for first in range(0, len(keys), DELETED_SIDE_BY_SIDE):
            some = keys[first : first + DELETED_SIDE_BY_SIDE]
            await asyncio.gather(*(self._threads.call(self._delete_one, key) for key in some))

    async def listed(self, prefix: str = "") -> list[StoredObject]:
        """Return every object of the bucket whose key begins so; none where there is no bucket."""
        return await asyncio.to_thread(self._listed, prefix)

    def url(self, key: str, expires_at: float, now: float) -> str:
        """Return the public address, or a presigned GET that ends at `expires_at` (7 days from now at most)."""
        if self._public_base_url:
            return f"{self._public_base_url}/{key}"
        seconds = min(max(math.ceil(expires_at - now), 1), MAX_PRESIGNED_SECONDS)
        return self._signer.get_presigned_url(
            "GET",
            self._bucket,
            key,
            expires=timedelta(seconds=seconds),
            request_date=datetime.fromtimestamp(now, UTC),
        )

    async def close(self) -> None:
        """Stop the threads."""
        self._threads.close()

    def _ensure_bucket(self) -> None:
        if self._client.bucket_exists(self._bucket):
            return
        try:
            self._client.make_bucket(self._bucket)
        except S3Error as error:
            if error.code not in ("BucketAlreadyOwnedByYou", "BucketAlreadyExists"):
                raise

    def _put(self, key: str, data: bytes, content_type: str, expires_at: float) -> None:
        try:
            self._put_once(key, data, content_type, expires_at)
        except S3Error as error:
            if error.code != "NoSuchBucket":
                raise
            self._ensure_bucket()
            self._put_once(key, data, content_type, expires_at)

    def _put_once(self, key: str, data: bytes, content_type: str, expires_at: float) -> None:
        scope = "public" if self._public_base_url else "private"
        self._client.put_object(
            self._bucket,
            key,
            BytesIO(data),
            len(data),
            content_type=content_type,
            metadata={**object_headers(scope=scope, expires_at=expires_at, now=self._now())},
        )

    def _exists(self, key: str) -> bool:
        try:
            self._client.stat_object(self._bucket, key)
        except S3Error as error:
            if error.code in _ABSENT:
                return False
            raise
        return True

    def _listed(self, prefix: str) -> list[StoredObject]:
        try:
            found = list(self._client.list_objects(self._bucket, prefix=prefix or None, recursive=True))
        except S3Error as error:
            if error.code == "NoSuchBucket":
                return []
            raise failure_of(error) from error
        except (MinioException, HTTPError, OSError) as error:
            raise failure_of(error) from error
        return [_stored(one) for one in found]

    def _delete(self, keys: Sequence[str]) -> bool:
        """Delete by one request; return whether the server knows such requests."""
        try:
            refused = list(self._client.remove_objects(self._bucket, map(DeleteObject, keys)))
        except S3Error as error:
            if error.code in _WITHOUT_MULTIPLE_DELETE:
                return False
            if error.code != "NoSuchBucket":
                raise
            return True
        for one in refused:
            if one.code not in _ABSENT:
                raise failure_of_answer(OK, one.code or "", f"{one.code} to the deletion of {one.name}: {one.message}")
        return True

    def _delete_one(self, key: str) -> None:
        try:
            self._client.remove_object(self._bucket, key)
        except S3Error as error:
            if error.code not in _ABSENT and error.code != "NoSuchBucket":
                raise


def _stored(found: Object) -> StoredObject:
    modified = found.last_modified
    return StoredObject(
        key=found.object_name or "",
        size_bytes=found.size or 0,
        modified_at=modified.timestamp() if modified is not None else math.inf,  # unknown: never old enough
    )
