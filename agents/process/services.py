"""What a worker reaches outside of Kafka: files, its rendering children, Genesys and the storage."""

import shutil
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Protocol

from agents.download import create_downloader
from agents.genesys import create_genesys
from agents.link import Poster
from agents.render import Renderer
from agents.rendering.pool import create_pool
from agents.safeguards import Safeguards
from agents.scratch import create_scratch
from agents.settings import WorkerSettings
from agents.source import Addresses, Fetch
from agents.storage import GuardedStore, ObjectStore, create_store
from stream.genesys.login import Login
from stream.genesys.rate import RateShare
from stream.telemetry import Metrics

Close = Callable[[], Awaitable[None]]


class Downloads(Fetch, Protocol):
    """Fetches files until it is closed."""

    async def close(self) -> None:
        """Give up what runs."""


class GenesysService(Poster, Addresses, Protocol):
    """Genesys as agents, monitor and the end of the process see it."""

    @property
    def logins(self) -> Sequence[Login]:
        """Return the OAuth clients, each with its share of the rate."""

    async def close(self) -> None:
        """Give up what runs."""


class Children(Renderer, Protocol):
    """Rendering children that are started and closed."""

    async def start(self) -> None:
        """Start them, once it is proven that they are confined."""

    async def close(self) -> None:
        """End them."""


@dataclass(frozen=True, slots=True)
class Services:
    """One of each for a worker."""

    downloader: Downloads
    genesys: GenesysService
    store: ObjectStore
    children: Children
    scratch: Path
    """Folder of the rendering children."""
    remove_scratch: bool = False
    """Whether the folder was made for this process alone."""

    @property
    def closings(self) -> tuple[Close, ...]:
        """Return what is to be awaited at the end, the last one first."""
        return self.store.close, self.genesys.close, self.downloader.close, self.children.close

    def remove(self) -> None:
        """Remove the folder, unless an operator has named it."""
        if self.remove_scratch:
            shutil.rmtree(self.scratch, ignore_errors=True)


def create_services(settings: WorkerSettings, safe: Safeguards, metrics: Metrics) -> Services:
    """Make the real ones; inside the running loop."""

    def observe_storage(call: str, status: str, seconds: float) -> None:
        metrics.storage_calls.labels(call, status).inc()
        metrics.storage_call_seconds.labels(call).observe(seconds)

    def observe_call(call: str, status: str, seconds: float) -> None:
        metrics.genesys_calls.labels(call, status).inc()
        metrics.genesys_call_seconds.labels(call).observe(seconds)

    rate = partial(RateShare, settings.genesys_calls_per_minute, share=0.0, on_waited=metrics.rate_wait_seconds.inc)
    rates = [rate() for _ in settings.oauth_clients]
    scratch = create_scratch(settings.worker_scratch_dir)
    return Services(
        downloader=create_downloader(settings),
        genesys=create_genesys(settings, rates, breaker=safe.genesys, repeat=safe.repeat, observe=observe_call),
        store=GuardedStore(create_store(settings), safe.storage, safe.repeat, observe=observe_storage),
        children=create_pool(settings, scratch, metrics),
        scratch=scratch,
        remove_scratch=not settings.worker_scratch_dir,
    )
