"""From settings to a store."""

import ssl
import time
from collections.abc import Callable
from urllib.parse import urlsplit

import urllib3
from minio import Minio

from agents.settings import WorkerSettings
from agents.storage.presigned import PresignedStore
from agents.storage.s3 import S3Store
from agents.storage.store import ObjectStore
from agents.storage.threads import StorageThreads
from stream.settings import wrong


def create_store(settings: WorkerSettings, now: Callable[[], float] = time.time) -> ObjectStore:
    """Build the store of a worker; nothing is asked of the server yet.

    Raises:
        WrongSettingError: The endpoint is no address of an S3 server.
    """
    concurrency = settings.render_concurrency + settings.link_concurrency
    threads = StorageThreads(concurrency, settings.s3_timeout_seconds)
    http = _pool(concurrency, settings.s3_timeout_seconds)
    if settings.storage_mode == "presigned":
        return PresignedStore(
            settings.cdn_presigned_url_template, http=http, threads=threads, acl=settings.cdn_acl, now=now
        )
    signer = settings.s3_public_endpoint and _client(settings, "S3_PUBLIC_ENDPOINT", settings.s3_public_endpoint, http)
    return S3Store(
        _client(settings, "S3_ENDPOINT", settings.s3_endpoint, http),
        bucket=settings.s3_bucket,
        threads=threads,
        public_base_url=settings.s3_public_base_url,
        signer=signer or None,
        now=now,
    )


def _pool(concurrency: int, timeout_seconds: float) -> urllib3.PoolManager:
    return urllib3.PoolManager(
        maxsize=concurrency,
        timeout=urllib3.Timeout(total=timeout_seconds),
        retries=False,  # minio's own pool tries six times; the topics decide here
        ssl_context=ssl.create_default_context(),
    )


def _client(settings: WorkerSettings, variable: str, url: str, http: urllib3.PoolManager) -> Minio:
    parts = urlsplit(url)
    try:
        return Minio(
            parts.netloc + parts.path.rstrip("/"),
            access_key=settings.s3_access_key or None,
            secret_key=settings.s3_secret_key.reveal() or None,
            region=settings.s3_region,
            secure=parts.scheme == "https",
            http_client=http,
        )
    except ValueError as error:
        raise wrong(variable, url, f"scheme, host and port of an S3 server: {error}") from error
