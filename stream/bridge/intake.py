"""The way in of one source: who may send, how often, and what its bodies mean."""

from collections.abc import Mapping, Sequence
from http import HTTPStatus
from typing import Final

from stream import webhook
from stream.arrival import EventSource
from stream.authenticity import Claim, Guard
from stream.refusals import RefusedRequestError, retry_after
from stream.sources.body import Ignored
from stream.token_bucket import TokenBucket
from stream.webhook import Event

PREFIX: Final = "/webhooks/genesys/"
PATHS: Final[Mapping[EventSource, str]] = {
    EventSource.TUTORIAL: f"{PREFIX}attachments",
    EventSource.OPEN_MESSAGING: f"{PREFIX}open-messaging",
    EventSource.NOTIFICATIONS: f"{PREFIX}notifications",
    EventSource.MESSAGES: f"{PREFIX}messages",
}


class Intake:
    """Reads what is posted to the path of one source; without a guard from anybody, without a bucket at any rate."""

    def __init__(
        self,
        source: EventSource,
        *,
        guard: Guard | None = None,
        bucket: TokenBucket | None = None,
        own_hosts: Sequence[str] = (),
    ) -> None:
        self.source = source
        self._guard = guard
        self._bucket = bucket
        self._own_hosts = tuple(host.lower() for host in own_hosts)

    def read(self, claim: Claim) -> Event | Ignored:
        """Return the event of a request; strangers spend nothing of the rate.

        Raises:
            RefusedRequestError: 400, 401, 422 or 429.
        """
        if self._guard is not None:
            self._guard.check(claim)
        if self._bucket is not None:
            self._spend(self._bucket)
        return webhook.parse(self.source, claim.body, self._own_hosts)

    def _spend(self, bucket: TokenBucket) -> None:
        wait_seconds = bucket.take()
        if wait_seconds > 0:
            text = f"More requests than {self.source} may send"
            wait = retry_after(wait_seconds)
            raise RefusedRequestError(HTTPStatus.TOO_MANY_REQUESTS, "too_many_requests", text, wait)
