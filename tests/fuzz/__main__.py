"""`make fuzz-bridge COUNT=100000 SEED=1`: hostile requests to a real bridge; the last line is one JSON object.

Unexpected is: a 5xx other than 503, an answer that the bridge's own document does not know, silence beyond the
documented limits, memory, files or connections that stay, a crash, a 2xx for an event that is not in Kafka or that
must not be accepted, and an error in the log.
"""

import argparse
import asyncio
import json
import sys
import tempfile
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from tests.fuzz import proofs
from tests.fuzz.cases import case
from tests.fuzz.judge import Judge
from tests.fuzz.vitals import Vitals
from tests.fuzz.wire import HungError, MalformedAnswerError, exchange
from tests.harness.kafka import RealKafka
from tests.system.bridge import BridgeProcess

CONNECTIONS: Final = 48
SOURCES: Final = 64  # addresses of ours, so that ports do not run out
# Idle connection, body, delivery: what a request may cost at most, one after the other; and a busy machine.
LIMITS: Final = {
    "BRIDGE_IDLE_TIMEOUT_SECONDS": "2",
    "BRIDGE_BODY_TIMEOUT_SECONDS": "2",
    "BRIDGE_DELIVERY_TIMEOUT_SECONDS": "4",
}
HUNG_SECONDS: Final = 2 + 2 + 4 + 12.0
WARM: Final = 0.2  # of the requests; memory counts from there on
GROWTH: Final = 1.1
GROWTH_BYTES: Final = 16_777_216  # what an allocator may keep of a short run
SETTLE_SECONDS: Final = 30.0
LAG_STEP_SECONDS: Final = 0.1
SHOWN: Final = 40


@dataclass
class Run:
    """One run against one bridge."""

    bridge: BridgeProcess
    port: int
    count: int
    seed: int

    def __post_init__(self) -> None:
        self.judge = Judge()
        self._next = 0
        self._silent: list[int] = []
        self._warm: Vitals | None = None
        self._told = time.monotonic()

    async def send_all(self) -> None:
        """Send cases over several connections at a time until enough requests are sent."""
        watch = asyncio.create_task(self._watch())
        async with asyncio.TaskGroup() as tasks:
            for _ in range(CONNECTIONS):
                tasks.create_task(self._send())
        watch.cancel()
        for number in self._silent:  # alone: under load it may have been us who were too slow
            await self._one(number)

    async def _watch(self) -> None:
        """Tell when it is this process that was late: the bridge cannot help that."""
        while True:
            before = time.monotonic()
            await asyncio.sleep(LAG_STEP_SECONDS)
            lag = time.monotonic() - before - LAG_STEP_SECONDS
            if lag > 1:
                say(f"this process was late by {lag:.1f} s")

    async def _send(self) -> None:
        while self.judge.requests < self.count and self.bridge.process.running:
            self._next += 1
            await self._one(self._next)
            self._tell()

    async def _one(self, number: int) -> None:
        one = case(number, self.seed, time.time())
        try:
            got = await exchange(one, self.port, f"127.0.0.{2 + number % SOURCES}", HUNG_SECONDS)
        except (HungError, MalformedAnswerError, OSError) as error:
            self.judge.found(f"{time.strftime('%H:%M:%S')} {type(error).__name__} {error}", one)
            self.judge.requests += one.requests
            return
        if one.asked and not got.answers and number not in self._silent:
            self._silent.append(number)
        else:
            self.judge.exchanged(one, got)

    def _tell(self) -> None:
        if self._warm is None and self.judge.requests >= self.count * WARM:
            self._warm = Vitals.of(self.bridge.process.pid)
        if time.monotonic() - self._told > 10:
            self._told = time.monotonic()
            say(f"{self.judge.requests} requests, {len(self.judge.findings)} unexpected")

    def settle(self, before: Vitals) -> None:
        """Wait until connections and files are as before, then look at the memory."""
        deadline = time.monotonic() + SETTLE_SECONDS
        while (now := Vitals.of(self.bridge.process.pid)).sockets > before.sockets and time.monotonic() < deadline:
            time.sleep(0.1)
        warm = self._warm or before
        say(f"before {before}, warm {warm}, after {now}")
        if now.sockets > before.sockets or now.open_files > before.open_files + 2:
            self.judge.findings.append(f"left open: {now} after {before}")
        if now.rss_bytes > max(warm.rss_bytes * GROWTH, warm.rss_bytes + GROWTH_BYTES):
            self.judge.findings.append(f"memory: {now.rss_bytes} after {warm.rss_bytes}")


def fuzz(folder: Path, kafka: RealKafka, count: int, seed: int) -> Judge:
    """Start a bridge, send hostile requests to it, and judge what came of it."""
    bridge = BridgeProcess(kafka, folder, **proofs.SETTINGS, **LIMITS)
    bridge.create_topics()
    with bridge:
        bridge.wait_until_ready()
        before = Vitals.of(bridge.process.pid)
        run = Run(bridge, int(bridge.url("").rpartition(":")[2]), count, seed)
        asyncio.run(run.send_all())
        judge = run.judge
        if bridge.process.running:
            run.settle(before)
        else:
            judge.findings.append(f"crashed with {bridge.process.exit_code}")
    if bridge.process.exit_code != 0:
        judge.findings.append(f"ended with {bridge.process.exit_code}")
    judge.kafka_holds(event_id for event_id, _, _ in bridge.topic_holds())
    judge.logged(bridge.process.log.read_text(errors="replace").rstrip("\n").split("\n"))
    return judge


def say(text: str) -> None:
    print(text, file=sys.stderr, flush=True)


def main(arguments: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(prog="python -m tests.fuzz", description=__doc__)
    parser.add_argument("--count", type=int, default=100_000, help="requests (default: %(default)s)")
    parser.add_argument("--seed", type=int, default=1, help="the same seed sends the same (default: %(default)s)")
    options = parser.parse_args(arguments)
    with tempfile.TemporaryDirectory(prefix="fuzz-") as scratch:
        folders = [Path(scratch) / name for name in ("kafka", "bridge")]
        for folder in folders:
            folder.mkdir()
        say("starting Apache Kafka and the bridge")
        with RealKafka(folders[0]) as kafka:
            judge = fuzz(folders[1], kafka, options.count, options.seed)
    say(f"answers {dict(sorted(judge.statuses.items()))}, connections {dict(judge.kinds)}")
    for finding in judge.findings[:SHOWN]:
        say(f"unexpected: {finding}")
    print(json.dumps({"requests": judge.requests, "unexpected": len(judge.findings)}))
    return 1 if judge.findings else 0


if __name__ == "__main__":
    sys.exit(main())
