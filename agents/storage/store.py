"""What the agents ask of a store, and what every store says of its objects."""

from collections.abc import Sequence
from typing import Final, NamedTuple, Protocol

MAX_CACHE_SECONDS: Final = (
    3600  # a cache counts max-age from its own fetch, so this is how long it may outlive an object
)


class StoredObject(NamedTuple):
    """An object as a listing names it; `modified_at` in Unix seconds."""

    key: str
    size_bytes: int
    modified_at: float


class ObjectStore(Protocol):
    """A place for previews.

    Every method raises `Retryable` when the server is down or full, `Held` when it refuses us as such (key, bucket,
    permission: ours to mend, and true for every object), `Refused` when it refuses this one object.
    """

    async def start(self) -> None:
        """Make sure that the store can be used; optional, `put` makes up for it once the server is there."""

    async def put(self, key: str, data: bytes, *, content_type: str, expires_at: float) -> None:
        """Write an object, over an earlier one of that key; `expires_at` (Unix seconds) bounds its cache headers."""

    async def exists(self, key: str) -> bool:
        """Return whether the object is there."""

    async def delete(self, keys: Sequence[str]) -> None:
        """Take objects away, with as few requests as the server allows; one that is not there is as good as deleted.

        When it raises some may be gone: it is to be called again with all of them.
        """

    async def listed(self, prefix: str = "") -> list[StoredObject] | None:
        """Return every object whose key begins so, however long it takes; None where nothing can be listed."""

    def url(self, key: str, expires_at: float, now: float) -> str:
        """Return the address to post, which works until `expires_at` (Unix seconds); no network."""

    async def close(self) -> None:
        """Let go of connections and threads."""


def object_headers(*, scope: str, expires_at: float, now: float) -> dict[str, str]:
    """Return the headers stored with an object: shown, not downloaded, and cached no longer than it lives.

    Args:
        scope: `public` or `private`, as in Cache-Control.
        expires_at: Unix seconds.
        now: Unix seconds.
    """
    seconds = max(0, min(MAX_CACHE_SECONDS, int(expires_at - now)))
    return {"Cache-Control": f"{scope}, max-age={seconds}", "Content-Disposition": "inline"}
