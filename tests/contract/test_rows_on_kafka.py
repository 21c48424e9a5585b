"""Rows through the lives of workers, on Apache Kafka, with either store."""

import asyncio
import signal
import sys
from collections.abc import AsyncIterator, Callable, Mapping
from pathlib import Path
from typing import Literal, Self
from uuid import uuid4

import msgspec
import pytest
from confluent_kafka import Producer, TopicPartition
from confluent_kafka.admin import AdminClient
from confluent_kafka.cimpl import NewTopic

from tests.contract.rows_worker import TABLE, Order, Plan, Said, settings_of
from tests.harness.kafka import RealKafka
from tests.system.progress import uncommitted

Store = Literal["memory", "rocksdb"]

ROOT = Path(__file__).parents[2]
PARTITIONS = 4
DEADLINE_SECONDS = 40.0
ALL = set(range(PARTITIONS))


class Child:
    """One worker, and what it has said."""

    def __init__(self, process: asyncio.subprocess.Process, log: Path) -> None:
        self._process = process
        self._log = log
        self._said: list[Said] = []
        self._heard = asyncio.Condition()
        self._listening = asyncio.create_task(self._listen())

    @classmethod
    async def begin(cls, plan: Plan, log: Path) -> Self:
        with log.open("wb") as stderr:
            process = await asyncio.create_subprocess_exec(
                sys.executable, "-m", "tests.contract.rows_worker", msgspec.json.encode(plan).decode(),
                cwd=ROOT, stdout=asyncio.subprocess.PIPE, stderr=stderr,
            )  # fmt: skip
        return cls(process, log)

    async def ready(self, owns: set[int] | int = PARTITIONS) -> Said:
        """Wait until the last thing it said of its partitions is that it owns these, or so many."""

        def owned() -> bool:
            ready = [said for said in self._said if said.what == "ready"]
            return bool(ready) and owns in (set(ready[-1].rows), len(ready[-1].rows))

        await self._hears(owned)
        return [said for said in self._said if said.what == "ready"][-1]

    async def does(self, jobs: int) -> None:
        await self._hears(lambda: sum(said.what == "done" for said in self._said) >= jobs)

    async def end(self, number: signal.Signals) -> None:
        if self._process.returncode is None:
            self._process.send_signal(number)
        async with asyncio.timeout(DEADLINE_SECONDS):
            await self._process.wait()
            await self._listening

    async def _hears(self, enough: Callable[[], bool]) -> None:
        try:
            async with asyncio.timeout(DEADLINE_SECONDS), self._heard:
                await self._heard.wait_for(lambda: enough() or self._listening.done())
        except TimeoutError:
            pytest.fail(f"{self._said[-3:]}\n{self._log.read_text()[-6000:]}")
        assert enough(), self._log.read_text()[-6000:]

    async def _listen(self) -> None:
        assert self._process.stdout is not None
        async for line in self._process.stdout:
            async with self._heard:
                self._said.append(msgspec.json.decode(line, type=Said))
                self._heard.notify_all()
        async with self._heard:
            self._heard.notify_all()


class World:
    """A topic, a changelog, and the workers of one group."""

    def __init__(self, kafka: RealKafka, folder: Path, store: Store) -> None:
        name = uuid4().hex[:12]
        self.group, self.topic = f"rows-{name}", f"orders-{name}"
        self.changelog = f"{self.group}-{TABLE}-changelog"
        self._servers = kafka.bootstrap_servers
        self._folder = folder
        self.store = store
        self._children: list[Child] = []

    async def create_topics(self, changelog_config: dict[str, str]) -> None:
        admin = AdminClient({"bootstrap.servers": self._servers})
        topics = [NewTopic(self.topic, PARTITIONS, 1), NewTopic(self.changelog, PARTITIONS, 1, config=changelog_config)]
        await asyncio.gather(*map(asyncio.wrap_future, admin.create_topics(topics).values()))

    async def make_changelog_anew(self, config: dict[str, str]) -> None:
        admin = AdminClient({"bootstrap.servers": self._servers})
        await asyncio.gather(*map(asyncio.wrap_future, admin.delete_topics([self.changelog]).values()))
        async with asyncio.timeout(DEADLINE_SECONDS):
            while self.changelog in (await asyncio.to_thread(admin.list_topics)).topics:  # noqa: ASYNC110
                await asyncio.sleep(0.1)  # Kafka tells nobody when it is gone
        made = admin.create_topics([NewTopic(self.changelog, PARTITIONS, 1, config=config)])
        await asyncio.gather(*map(asyncio.wrap_future, made.values()))

    def spoil(self, name: str) -> int:
        """Write nonsense over the databases of a worker that has ended; return how many there were."""
        found = list((self._folder / name).rglob("CURRENT"))
        for file in found:
            file.write_bytes(b"\x55" * 100)
        return len(found)

    async def cut_changelog(self, before: int) -> None:
        """Let Kafka delete the records before an offset, as retention does."""
        admin = AdminClient({"bootstrap.servers": self._servers})
        cut = [TopicPartition(self.changelog, number, before) for number in ALL]
        await asyncio.gather(*map(asyncio.wrap_future, admin.delete_records(cut).values()))

    async def worker(self, name: str, member: str = "") -> Child:
        """Begin a worker; one of the same name has the same folder."""
        plan = self._plan(name, member)
        child = await Child.begin(plan, self._folder / f"{len(self._children)}-{name}.log")
        self._children.append(child)
        return child

    def _plan(self, name: str, member: str) -> Plan:
        return Plan(
            bootstrap_servers=self._servers,
            group=self.group,
            topic=self.topic,
            partitions=PARTITIONS,
            data_dir=str(self._folder / name),
            store=self.store,
            member=member,
        )

    async def committed(self) -> None:
        """Wait until the group has committed every order: the next worker carries none of them out again."""
        settings = settings_of(self._plan("", ""))
        async with asyncio.timeout(DEADLINE_SECONDS):
            while await asyncio.to_thread(uncommitted, settings, self.topic):  # noqa: ASYNC110 - Kafka tells nobody
                await asyncio.sleep(0.1)

    async def order(self, orders: Mapping[str, str | None]) -> None:
        """Put or delete a key in every partition."""
        records = [msgspec.json.encode(Order(key, text)) for key, text in orders.items()]
        await self.write(self.topic, [(b"key", record) for record in records])

    async def write(self, topic: str, records: list[tuple[bytes | None, bytes | None]], transaction: str = "") -> None:
        await asyncio.to_thread(self._write, topic, records, transaction)

    def _write(self, topic: str, records: list[tuple[bytes | None, bytes | None]], transaction: str) -> None:
        config: dict[str, str | int] = {"bootstrap.servers": self._servers, "linger.ms": 0}
        producer = Producer(config | ({"transactional.id": transaction} if transaction else {}))
        if transaction:
            producer.init_transactions()
            producer.begin_transaction()
        for partition in range(PARTITIONS):
            for key, value in records:
                producer.produce(topic, key=key, value=value, partition=partition)
        if transaction:
            producer.commit_transaction()
        assert producer.flush(DEADLINE_SECONDS) == 0

    async def close(self) -> None:
        for child in self._children:
            await child.end(signal.SIGKILL)


@pytest.fixture(params=["memory", "rocksdb"])
async def world(request: pytest.FixtureRequest, kafka: RealKafka, tmp_path: Path) -> AsyncIterator[World]:
    made = World(kafka, tmp_path, request.param)
    yield made
    await made.close()


COMPACTED = {"cleanup.policy": "compact"}


def everywhere(rows: Mapping[str, str]) -> dict[int, dict[str, str]]:
    return {number: dict(rows) for number in ALL}


async def test_rows_survive_a_kill_and_a_database_reads_only_what_it_lacks(world: World) -> None:
    await world.create_topics(COMPACTED)
    first = await world.worker("a", member="a")
    assert (await first.ready()).rows == everywhere({})
    await world.order({f"key {number}": "old" for number in range(50)} | {"gone": "soon"})
    await first.does(51 * PARTITIONS)
    await world.order({"gone": None, "key 7": "new"})
    await first.does(53 * PARTITIONS)
    await world.committed()
    await first.end(signal.SIGKILL)
    await world.write(world.changelog, [(b"late", b'{"text":"of a send that was under way"}')])
    second = await world.worker("a", member="a")
    ready = await second.ready()
    rows = {f"key {number}": "old" for number in range(50)} | {"key 7": "new", "late": "of a send that was under way"}
    assert ready.rows == everywhere(rows)
    assert ready.read_back == (PARTITIONS if world.store == "rocksdb" else 54 * PARTITIONS)


async def test_rows_move_with_their_partition_and_come_back_as_the_other_worker_left_them(world: World) -> None:
    await world.create_topics(COMPACTED)
    staying = await world.worker("a")
    await staying.ready()
    await world.order({"kept": "1", "deleted": "1"})
    await staying.does(2 * PARTITIONS)
    guest = await world.worker("b")
    moved = await guest.ready(PARTITIONS // 2)
    left = await staying.ready(PARTITIONS // 2)
    assert set(moved.rows) | set(left.rows) == ALL
    assert moved.rows | left.rows == everywhere({"kept": "1", "deleted": "1"})
    await world.order({"deleted": None, "kept": "2"})
    await guest.does(2 * len(moved.rows))
    await staying.does(2 * PARTITIONS + 2 * len(left.rows))
    await guest.end(signal.SIGTERM)
    assert (await staying.ready()).rows == everywhere({"kept": "2"})
    await world.order({"last": "3"})
    await staying.does(3 * PARTITIONS + 2 * len(left.rows))
    again = await world.worker("b")
    assert (await again.ready(PARTITIONS // 2)).rows.popitem()[1] == {"kept": "2", "last": "3"}


async def test_foreign_records_in_the_changelog_are_skipped_at_once(world: World) -> None:
    await world.create_topics({"cleanup.policy": "delete"})  # a compacted topic takes no record without a key
    foreign: list[tuple[bytes | None, bytes | None]] = [
        (None, b'{"text":"no key"}'),
        (None, None),
        (b"\xff\xfe", b'{"text":"a key that is no text"}'),
        (b"junk", b"\x00\x01 not JSON"),
        (b"other", b'{"schema":"another"}'),
        (b"deep", b"[" * 50_000),
    ]
    await world.write(world.changelog, [*foreign, (b"ours", b'{"text":"v"}'), *foreign])
    await world.write(world.changelog, [(b"told", b'{"text":"in a transaction"}')], transaction="foreign")
    async with asyncio.timeout(20.0):
        ready = await (await world.worker("a")).ready()
    assert ready.rows == everywhere({"ours": "v", "told": "in a transaction"})
    assert ready.skipped == 2 * len(foreign) * PARTITIONS


async def test_a_changelog_that_was_made_anew_is_read_from_its_beginning(world: World) -> None:
    await world.create_topics(COMPACTED)
    first = await world.worker("a", member="a")
    await first.ready()
    await world.order({"of before": "1", "more": "1"})
    await first.does(2 * PARTITIONS)
    await world.committed()
    await first.end(signal.SIGKILL)
    await world.make_changelog_anew(COMPACTED)
    await world.write(world.changelog, [(b"anew", b'{"text":"v"}')])
    second = await world.worker("a", member="a")
    assert (await second.ready()).rows == everywhere({"anew": "v"})


async def test_rows_are_read_back_where_their_databases_are_corrupt(world: World) -> None:
    await world.create_topics(COMPACTED)
    first = await world.worker("a", member="a")
    await first.ready()
    await world.order({"kept": "1", "more": "1"})
    await first.does(2 * PARTITIONS)
    await world.committed()
    await first.end(signal.SIGKILL)
    spoilt = world.spoil("a")
    assert spoilt == (PARTITIONS if world.store == "rocksdb" else 0)
    ready = await (await world.worker("a", member="a")).ready()
    assert ready.rows == everywhere({"kept": "1", "more": "1"})
    assert ready.read_back == 2 * PARTITIONS


async def test_a_changelog_whose_head_is_cut_off_costs_what_no_database_holds(world: World) -> None:
    await world.create_topics({"cleanup.policy": "delete"})
    first = await world.worker("a", member="a")
    await first.ready()
    await world.order({"cut": "1"})
    await first.does(PARTITIONS)
    await world.order({"left": "1"})
    await first.does(2 * PARTITIONS)
    await world.committed()
    await first.end(signal.SIGTERM)
    await world.cut_changelog(before=1)
    ready = await (await world.worker("a", member="a")).ready()
    left = {"left": "1"}
    assert ready.rows == everywhere(left if world.store == "memory" else {"cut": "1", **left})
