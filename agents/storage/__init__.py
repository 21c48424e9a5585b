"""Where previews live: any S3 server through the minio client, or a CDN behind a presigned PUT address."""

from agents.storage.guarded import GuardedStore
from agents.storage.presigned import PresignedStore
from agents.storage.s3 import S3Store
from agents.storage.store import ObjectStore, StoredObject
from agents.storage.wiring import create_store

__all__ = ["GuardedStore", "ObjectStore", "PresignedStore", "S3Store", "StoredObject", "create_store"]
