"""Servers in processes of their own, and what happens when a real one is not on this machine."""

from abc import ABC, abstractmethod
from collections.abc import Mapping
from pathlib import Path
from types import TracebackType
from typing import Final, NoReturn, Self

import pytest

from tests.harness.processes import Process

START_SECONDS: Final = 60.0


class MissingServerError(Exception):
    """A real server is not on this machine; the message says how to get it."""


class Server(ABC):
    """A server that keeps its port, and where it can its data, from `stop` to the next `start`."""

    def __init__(self, process: Process) -> None:
        self.process = process

    @abstractmethod
    def ready(self) -> bool:
        """Tell whether the server answers."""

    def start(self) -> None:
        """Start, and wait until the server answers."""
        self.begin()
        self.await_ready()

    def begin(self) -> None:
        """Start without waiting for answers."""
        self.process.start()

    def await_ready(self) -> None:
        """Wait until the server answers."""
        try:
            self.process.wait_until(self.ready, START_SECONDS)
        except BaseException:
            self.process.stop()
            raise

    def stop(self) -> None:
        """Stop in order; `start` brings it back."""
        self.process.stop()

    def kill(self) -> None:
        """End at once, as a crash does; `start` brings it back."""
        self.process.kill()

    def pause(self) -> None:
        """Freeze: connections stay open and nothing answers."""
        self.process.pause()

    def resume(self) -> None:
        """Go on after `pause`."""
        self.process.resume()

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()


def existing(path: Path | None, name: str) -> Path:
    """Return the path of a real server's part.

    Raises:
        MissingServerError: It is not on this machine.
    """
    if path is None or not path.exists():
        raise MissingServerError(f"{name} is not on this machine: run make servers")
    return path


def skip_or_fail(reason: str, environ: Mapping[str, str]) -> NoReturn:
    """Skip the test for want of what the set-up brings, and fail it where CI=true, which promises all of it."""
    if environ.get("CI", "").lower() in {"1", "true", "yes"}:
        pytest.fail(f"CI must have all that the set-up brings, but {reason}", pytrace=False)
    pytest.skip(reason)
