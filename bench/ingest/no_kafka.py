"""The bridge with a double in place of confluent_kafka.Producer, which acknowledges every record at once.

All else is the bridge's own: what this is faster by is what Kafka, its client and its share of the machine cost.
"""

import asyncio
import sys
import time
from collections.abc import Callable
from types import SimpleNamespace
from typing import Any, Final

from stream.bridge.process import run
from stream.settings import BridgeSettings, load
from stream.telemetry import configure_logging

IDLE_SECONDS: Final = 0.1


class AtOnce:
    """Takes whatever it is given and tells so before `produce` returns."""

    def produce(
        self, topic: str, value: bytes, key: bytes, *, headers: Any, on_delivery: Callable[[Any, Any], None]
    ) -> None:
        _ = topic, value, key, headers
        on_delivery(None, None)

    def poll(self, timeout: float) -> int:
        time.sleep(min(timeout, IDLE_SECONDS))
        return 0

    def flush(self, timeout: float) -> int:
        _ = timeout
        return 0

    def purge(self, in_queue: bool = True, in_flight: bool = True) -> None:  # noqa: FBT001, FBT002 - as it is there
        _ = in_queue, in_flight

    def list_topics(self, topic: str, timeout: float) -> Any:
        _ = timeout
        return SimpleNamespace(topics={topic: SimpleNamespace(error=None)})

    def close(self) -> object:
        return True


def main() -> int:
    settings = load(BridgeSettings)
    configure_logging(settings.log_level, settings.log_format)
    return asyncio.run(run(settings, AtOnce()))


if __name__ == "__main__":
    sys.exit(main())
