"""What the workers count, read from /metrics each second, because a killed worker takes its counters with it.

What is missing is at most the last second before each SIGKILL, and what a worker counts while it ends.
"""

import threading
from types import TracebackType
from typing import Final, Self

import urllib3

from tests.harness.deployment import Deployment

BETWEEN_SECONDS: Final = 1.0
ANSWER_SECONDS: Final = 1.0
SAMPLES: Final = {
    "ambiguous": "previews_post_ambiguous_total",
    "suppressed": "previews_post_duplicate_suppressed_total",
    "late": "previews_late_posts_total",
}


class Tally:
    """Sums of counters over all lives of all workers."""

    def __init__(self, product: Deployment) -> None:
        self._product = product
        self._stopped = threading.Event()
        self._thread = threading.Thread(target=self._follow, name="tally", daemon=True)
        self._lives: dict[int, dict[str, int]] = {}  # by process id
        self._client = urllib3.PoolManager(retries=False, timeout=ANSWER_SECONDS)

    def sums(self) -> dict[str, int]:
        """Return the sums so far."""
        lives = list(self._lives.values())
        return {name: sum(life[name] for life in lives) for name in SAMPLES}

    def look(self) -> None:
        """Read the counters of all workers that answer."""
        for worker, port in list(zip(self._product.workers, self._product.health_ports, strict=False)):
            if not worker.running:
                continue
            pid = worker.pid
            try:
                answer = self._client.request("GET", f"http://127.0.0.1:{port}/metrics")
            except urllib3.exceptions.HTTPError:
                continue
            if worker.pid == pid:
                self._lives[pid] = read(answer.data.decode())

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._stopped.set()
        self._thread.join()
        self._client.clear()

    def _follow(self) -> None:
        while not self._stopped.wait(BETWEEN_SECONDS):
            self.look()


def read(exposition: str) -> dict[str, int]:
    """Return the sum of each wanted sample over its labels."""
    lines = exposition.splitlines()
    return {
        name: sum(int(float(line.rpartition(" ")[2])) for line in lines if line.startswith(sample))
        for name, sample in SAMPLES.items()
    }
