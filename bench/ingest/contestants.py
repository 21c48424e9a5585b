"""The servers that are compared, each a process of its own on this machine."""

import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Final, Protocol

import urllib3

from tests.harness.processes import Process, free_port
from tests.system.bridge import ROOT, BridgeProcess
from tools import cache, environment

OURS: Final = "ours"
TUTORIAL: Final = "tutorial"
TUNED: Final = "tutorial, tuned"
NO_KAFKA: Final = "no Kafka"
START_SECONDS: Final = 30.0


class Contestant(Protocol):
    """A server that takes webhooks."""

    process: Process

    def url(self, path: str) -> str:
        """Return the address of a path."""


AS_INSTALLED: Final = ("--http", "h11", "--loop", "asyncio")  # `pip install fastapi uvicorn`, and nothing more
AS_TUNED: Final = ("--http", "httptools", "--loop", "uvloop", "--no-access-log")


class Tutorial:
    """FastAPI under uvicorn, which logs each request unless told otherwise, as the bridge does."""

    def __init__(self, folder: Path, name: str, options: Sequence[str]) -> None:
        with cache.locked():
            python = environment.isolated("bench") / "bin" / "python"
        self._port = free_port()
        hook: list[str | Path] = [python, "-m", "uvicorn", "tutorial_hook:app", "--app-dir", ROOT / "bench" / "ingest"]
        command = [*hook, "--port", str(self._port), *options]
        self.process = Process(name, command, folder / f"{name}.log")

    def url(self, path: str) -> str:
        return f"http://127.0.0.1:{self._port}{path}"

    def start(self) -> None:
        self.process.start()
        self.process.wait_until(self._answers, START_SECONDS)

    def _answers(self) -> bool:
        try:
            return urllib3.request("GET", self.url("/openapi.json"), timeout=1, retries=False).status == 200
        except urllib3.exceptions.HTTPError:
            return False


class WithoutKafka(BridgeProcess):
    """Our server before a double of Kafka's client."""

    command = (sys.executable, "-m", "bench.ingest.no_kafka")


def rss_bytes(pid: int) -> int:
    """Return the resident memory of a process."""
    lines = Path(f"/proc/{pid}/status").read_text().splitlines()
    return next(int(line.split()[1]) * 1024 for line in lines if line.startswith("VmRSS:"))
