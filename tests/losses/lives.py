"""The parent's side: child processes, what they said, and whether Kafka holds a record as done that nobody did."""

import asyncio
import signal
import sys
from collections.abc import Awaitable, Callable, Iterable
from pathlib import Path
from typing import Any, Self
from uuid import uuid4

import msgspec
from confluent_kafka import Consumer, KafkaError, KafkaException, Producer, TopicPartition
from confluent_kafka.admin import AdminClient
from confluent_kafka.cimpl import NewTopic

from tests.losses.plans import Kind, Plan, Said

ROOT = Path(__file__).parents[2]
DEADLINE_SECONDS = 30.0
MENDED = "faust has mended this: drop our fix"
COMMIT_POLL_SECONDS = 0.1


class Life:
    """One life of the child process."""

    def __init__(self, process: asyncio.subprocess.Process, log: Path) -> None:
        self.process = process
        self.said: list[Said] = []
        self._log = log
        self._heard = asyncio.Condition()
        self._listening = asyncio.create_task(self._listen())

    @classmethod
    async def begin(cls, plan: Plan, log: Path) -> Self:
        with log.open("wb") as stderr:
            process = await asyncio.create_subprocess_exec(
                sys.executable, "-m", "tests.losses.program", msgspec.json.encode(plan).decode(),
                cwd=ROOT, stdout=asyncio.subprocess.PIPE, stderr=stderr,
            )  # fmt: skip
        return cls(process, log)

    async def hears(self, enough: Callable[[list[Said]], bool], what: str, deadline: float = DEADLINE_SECONDS) -> None:
        """Wait until the child has said enough; raises TimeoutError, or AssertionError when it ends before."""
        async with asyncio.timeout(deadline), self._heard:
            await self._heard.wait_for(lambda: enough(self.said) or self._listening.done())
        assert enough(self.said), f"the child ended before {what}:\n{self.log_tail()}"

    async def ready(self) -> None:
        await self.hears(lambda said: any(line.what == "ready" for line in said), "it was ready")

    async def started(self, topic: str, offset: int, deadline: float = DEADLINE_SECONDS) -> None:
        wanted = Said("started", topic, 0, offset)
        await self.hears(lambda said: wanted in said, f"it started {offset}", deadline)

    async def done(self, topic: str, offsets: Iterable[int], deadline: float = DEADLINE_SECONDS) -> None:
        wanted = {Said("done", topic, 0, offset) for offset in offsets}
        await self.hears(lambda said: wanted <= set(said), f"it had done {sorted(offsets)}", deadline)

    async def does(self, count: int) -> None:
        await self.hears(lambda said: sum(line.what == "done" for line in said) >= count, f"it had done {count}")

    async def commits_twice(self) -> None:
        """Wait for two commit rounds from now on, so that one of them has begun from now on."""
        before = self._rounds(self.said)
        await self.hears(lambda said: self._rounds(said) >= before + 2, "two more commit rounds")

    async def seeks(self, times: int) -> None:
        await self.hears(lambda said: sum(line.what == "seeking" for line in said) >= times, f"seek {times}")

    async def end(self, number: signal.Signals) -> int:
        """Send the signal and wait for the end."""
        if self.process.returncode is None:
            self.process.send_signal(number)
        async with asyncio.timeout(DEADLINE_SECONDS):
            code = await self.process.wait()
            await self._listening
        return code

    def ended(self) -> bool:
        return self.process.returncode is not None

    def log_tail(self) -> str:
        return self._log.read_text()[-4000:]

    @staticmethod
    def _rounds(said: list[Said]) -> int:
        return sum(line.what == "committed" for line in said)

    async def _listen(self) -> None:
        assert self.process.stdout is not None
        async for line in self.process.stdout:
            async with self._heard:
                self.said.append(msgspec.json.decode(line, type=Said))
                self._heard.notify_all()
        async with self._heard:
            self._heard.notify_all()


async def in_time(waiting: Awaitable[None]) -> bool:
    """Return whether what is awaited came to be before its deadline."""
    try:
        await waiting
    except TimeoutError:
        return False
    return True


class Trial:
    """A topic, a group and the lives that are spent on it, one after another or side by side."""

    def __init__(self, kind: Kind, bootstrap_servers: str, folder: Path, partitions: int) -> None:
        name = uuid4().hex[:12]
        self.kind = kind
        self.topic = f"loss-{name}"
        self.group = f"loss-group-{name}"
        self.partitions = partitions
        self.lives: list[Life] = []
        self._servers = bootstrap_servers
        self._folder = folder
        self._accepted = [0] * partitions

    async def create_topic(self, name: str) -> None:
        admin = AdminClient({"bootstrap.servers": self._servers})
        created = admin.create_topics([NewTopic(name, self.partitions, 1)])
        await asyncio.gather(*map(asyncio.wrap_future, created.values()))

    async def produce(self, values: Iterable[bytes], *, topic: str = "", partition: int = 0) -> None:
        count = await asyncio.to_thread(self._produce, list(values), topic or self.topic, partition)
        if not topic:
            self.expect(partition, count)

    def expect(self, partition: int, count: int) -> None:
        """Note that the topic has so many more records."""
        self._accepted[partition] += count

    async def live(self, **mishap: Any) -> Life:
        """Begin a life; a healthy one when no mishap is named."""
        number = len(self.lives)
        plan = Plan(
            kind=self.kind,
            bootstrap_servers=self._servers,
            group=self.group,
            partitions=self.partitions,
            data_dir=str(self._folder / f"data-{number}"),
            **{"topics": [self.topic], **mishap},
        )
        life = await Life.begin(plan, self._folder / f"life-{number}.log")
        self.lives.append(life)
        return life

    async def settle(self, deadline: float = 2 * DEADLINE_SECONDS) -> None:
        """Wait until the group has committed all that was accepted, with a healthy life whenever none is left."""
        async with asyncio.timeout(deadline):
            while await self.committed() != self._accepted:
                if all(life.ended() for life in self.lives):
                    await self.live()
                await asyncio.sleep(COMMIT_POLL_SECONDS)  # Kafka tells nobody of a commit

    async def committed(self) -> list[int]:
        """Return the group's committed offset of each partition, 0 where there is none."""
        return await asyncio.to_thread(self._committed)

    def done(self) -> list[tuple[int, int]]:
        """Return partition and offset of every job done, copies included."""
        said = (line for life in self.lives for line in life.said)
        return [(line.partition, line.offset) for line in said if line.what == "done" and line.topic == self.topic]

    def lost(self) -> set[tuple[int, int]]:
        """Return what was accepted and never done; what the group has committed will never be delivered again."""
        accepted = {(number, offset) for number, end in enumerate(self._accepted) for offset in range(end)}
        return accepted - set(self.done())

    def judge(self, expected: set[tuple[int, int]] | None = None) -> None:
        """Fail when stock loses nothing, or other records than expected, and when ours loses any."""
        lost = self.lost()
        if self.kind is Kind.OURS:
            assert not lost, f"ours lost {sorted(lost)}"
        else:
            assert lost, MENDED
            assert expected is None or lost == expected

    async def close(self) -> None:
        for life in self.lives:
            await life.end(signal.SIGKILL)

    def _produce(self, values: list[bytes], topic: str, partition: int) -> int:
        producer = Producer({"bootstrap.servers": self._servers, "enable.idempotence": True, "linger.ms": 0})
        for number, value in enumerate(values):
            producer.produce(topic, key=b"key-%d-%d" % (partition, number), value=value, partition=partition)
        assert producer.flush(DEADLINE_SECONDS) == 0
        return len(values)

    def _committed(self) -> list[int]:
        consumer = Consumer({"bootstrap.servers": self._servers, "group.id": self.group})
        try:
            wanted = [TopicPartition(self.topic, number) for number in range(self.partitions)]
            return [max(tp.offset, 0) for tp in consumer.committed(wanted, timeout=DEADLINE_SECONDS)]
        except KafkaException as error:
            if error.args[0].retriable() or error.args[0].code() == KafkaError.NOT_COORDINATOR:
                # A broker that has just started is still loading its groups.
                return []
            raise
        finally:
            consumer.close()
