"""Which sources may send, and how: the intakes that the settings ask for."""

import logging
from collections.abc import Callable
from dataclasses import dataclass
from ipaddress import ip_address
from typing import Final, Self

from stream.arrival import EventSource
from stream.bridge.intake import Intake
from stream.settings import BridgeSettings, WrongSettingError
from stream.token_bucket import TokenBucket

logger = logging.getLogger(__name__)

UNAUTHENTICATED: Final = (
    "WEBHOOK_SECRET is not set: BRIDGE_HOST={host!r} is a public address, so it is needed, or WEBHOOK_…_CREDENTIALS of "
    "a source; WEBHOOK_ALLOW_UNAUTHENTICATED=true takes webhooks from anybody"
)


@dataclass(frozen=True, slots=True)
class Entrances:
    """The sources by who may send: whoever proves it, anybody, nobody.

    Without credentials a source is open to anybody on a loopback address, or where the setting says so out loud; else
    it is closed.
    """

    guarded: tuple[EventSource, ...]
    unguarded: tuple[EventSource, ...]
    closed: tuple[EventSource, ...]
    is_public: bool

    @classmethod
    def of(cls, settings: BridgeSettings) -> Self:
        """Read the settings.

        Raises:
            WrongSettingError: No source has credentials, and the address is public.
        """
        is_public = not is_loopback(settings.bridge_host)
        guarded = tuple(source for source in EventSource if settings.credentials(source))
        if not guarded and is_public and not settings.webhook_allow_unauthenticated:
            raise WrongSettingError(UNAUTHENTICATED.format(host=settings.bridge_host))
        others = tuple(source for source in EventSource if source not in guarded)
        if settings.webhook_allow_unauthenticated or not is_public:
            return cls(guarded, others, (), is_public)
        return cls(guarded, (), others, is_public)

    def intakes(self, settings: BridgeSettings, timer: Callable[[], float]) -> list[Intake]:
        """Return the intakes of the sources that are open; `timer` is monotonic, in seconds."""
        return [_intake(settings, source, timer) for source in (*self.guarded, *self.unguarded)]

    def tell(self) -> None:
        """Log who may send, as a warning where anybody may from anywhere."""
        level = logging.WARNING if self.unguarded and self.is_public else logging.INFO
        told = {"guarded": self.guarded, "unauthenticated": self.unguarded, "closed": self.closed}
        logger.log(level, "bridge.sources", extra=told)


def is_loopback(host: str) -> bool:
    """Tell whether only this machine reaches the address; a name other than localhost may mean any."""
    try:
        return ip_address(host).is_loopback
    except ValueError:
        return host.lower() == "localhost"


def _intake(settings: BridgeSettings, source: EventSource, timer: Callable[[], float]) -> Intake:
    credentials, rate = settings.credentials(source), settings.requests_per_second(source)
    return Intake(
        source,
        guard=credentials.guard(settings.trusted_proxies) if credentials else None,
        bucket=TokenBucket(rate, timer) if rate > 0 else None,
        own_hosts=settings.webhook_own_hosts,
    )
