from collections.abc import AsyncIterator, Callable
from typing import Any

import msgspec
import pytest

from agents.genesys import Genesys, Link, create_genesys
from agents.settings import WorkerSettings
from stream.breaker import Breaker
from stream.genesys.rate import RateShare
from stream.settings import Secret
from tests.harness.genesys import Simulator
from tests.harness.genesys.files import File

URL = "https://cdn.example.com/previews/4f1d2c.webp"
NEEDLE = "previews/4f1d2c"

Connect = Callable[..., Genesys]


def worker_settings(base_url: str, **changes: Any) -> WorkerSettings:
    settings = WorkerSettings(
        genesys_base_url=base_url,
        genesys_client_id="simulated-client",
        genesys_client_secret=Secret("simulated-secret"),
        genesys_agentless_from_address="our-number",
        genesys_timeout_seconds=5.0,
        object_key_secret=Secret("0123456789abcdef"),
    )
    return msgspec.structs.replace(settings, **changes)


def link(conversation_id: str = "conversation", **changes: Any) -> Link:
    values: dict[str, Any] = {
        "conversation_id": conversation_id,
        "event_id": "event-1",
        "url": URL,
        "file_name": "Ünïcode scan.pdf",
        "mime_type": "application/pdf",
        "size_bytes": 4321,
    }
    return Link(**(values | changes))


def add_file(simulator: Simulator, *names: str) -> tuple[str, list[File]]:
    files = [simulator.state.files.add(name, "image/png", name.encode()) for name in names]
    conversation = simulator.state.conversation("conversation")
    assert conversation is not None
    message = simulator.state.conversations.add(
        conversation, call="test", direction="inbound", file_ids=[file.id for file in files]
    )
    return message.id, files


@pytest.fixture
async def simulator() -> AsyncIterator[Simulator]:
    async with Simulator() as running:
        yield running


@pytest.fixture
async def connect(simulator: Simulator) -> AsyncIterator[Connect]:
    """Return a function that builds clients of the simulator; settings are its keyword arguments."""
    clients: list[Genesys] = []

    def build(*, page_size: int = 1000, rate: RateShare | None = None, **changes: Any) -> Genesys:
        settings = worker_settings(simulator.base_url, **changes)
        client = create_genesys(
            settings,
            [rate or RateShare(60_000, max_wait_seconds=60) for _ in settings.oauth_clients],
            breaker=Breaker("Genesys", threshold=1000),
            page_size=page_size,
        )
        clients.append(client)
        return client

    yield build
    for client in clients:
        await client.close()
