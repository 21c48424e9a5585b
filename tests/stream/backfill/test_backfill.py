"""The whole run, with the simulator behind and Kafka left out."""

import asyncio
import io
import json
from collections.abc import AsyncIterator, Callable, Sequence
from typing import Any

import pytest
from msgspec.structs import replace

from stream.__main__ import main as run
from stream.__main__ import parser
from stream.backfill.account import Account
from stream.backfill.choice import Choice
from stream.backfill.command import Backfill, create_api
from stream.backfill.known import Delivered, Known
from stream.backfill.patience import Patient
from stream.backfill.publishing import Publisher
from stream.backfill.reading import Reader
from stream.backfill.search import Search
from stream.backfill.window import DAY_SECONDS, iso
from stream.console import Console
from stream.settings import Secret
from tests.harness.genesys import Simulator, SimulatorSettings
from tests.harness.genesys.faults import Fault
from tests.stream.backfill.test_reading import NOON, backfill_settings, converse, send
from tests.stream.outgoing import OutgoingRecords

SINCE = ["--since", iso(NOON - 3600), "--until", iso(NOON + 3600)]


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


class Topic(Publisher):
    """Takes everything, and knows what it took."""

    def __init__(self, refused: bytes = b"nothing") -> None:
        self.producer = OutgoingRecords(full_at_first=True, refused_bytes=refused)
        super().__init__(self.producer, "attachments", lambda: NOON)

    @property
    def names(self) -> list[str]:
        return [json.loads(value or b"")["fileName"] for _, value, _, _ in self.producer.sent]


class Stage:
    """A simulator, what was delivered, and a terminal."""

    def __init__(self, simulator: Simulator) -> None:
        self.simulator = simulator
        self.known = Known()
        self.topic = Topic()
        self.out, self.errors = io.StringIO(), io.StringIO()
        self.now = 0.0
        self.erased: frozenset[str] = frozenset()
        self.progress: Callable[[str], None] = lambda _conversation: None

    async def sleep(self, seconds: float) -> None:
        self.now += seconds

    async def run(self, *arguments: str, answer: str | None = None) -> int:
        options = parser().parse_args(["backfill", *arguments])
        answers = io.StringIO() if answer is None else Terminal(answer)
        console = Console(self.out, io.BytesIO(), self.errors, answers)
        choice = Choice.of(options, retention_hours=168, now=NOON + DAY_SECONDS)
        api = create_api(backfill_settings(self.simulator.base_url), 1_000_000)
        patient = Patient(
            api.call,
            patience_seconds=options.wait_seconds,
            clock=lambda: self.now,
            sleep=self.sleep,
            tell=console.complain,
        )
        search = Search(choice, Reader(patient.call, choice.window), self.known, self.progress, self.erased)
        account = Account(console, as_json=options.json)
        try:
            return await Backfill(search, self.topic, account, console, options).run()
        finally:
            await api.close()

    def lines(self) -> list[dict[str, Any]]:
        return [json.loads(line) for line in self.out.getvalue().splitlines()]


@pytest.fixture
async def stage() -> AsyncIterator[Stage]:
    async with Simulator(SimulatorSettings(calls_per_minute=0, auto_create=False)) as simulator:
        made = Stage(simulator)
        for number in range(3):
            conversation = converse(simulator, f"conversation-{number}", started_at=NOON - number * DAY_SECONDS)
            send(simulator, conversation, f"known-{number}.png", f"lost-{number}.png")
            made.known.add(
                f"conversation-{number}",
                Delivered(event_id=f"event-{number}", file_name=f"known-{number}.png", at=NOON),
            )
        yield made


async def test_what_is_missing_is_published_and_nothing_else(stage: Stage) -> None:
    assert await stage.run(*SINCE, "--yes") == 0
    assert sorted(stage.topic.names) == ["lost-0.png", "lost-1.png", "lost-2.png"]
    assert stage.out.getvalue() == "published 3 of 6 files in 3 conversations; known 3 (3 by file name)\n"


async def test_conversations_that_began_before_the_days_looked_at_are_not_found(stage: Stage) -> None:
    assert await stage.run(*SINCE, "--yes", "--started-since", iso(NOON - DAY_SECONDS)) == 0
    assert sorted(stage.topic.names) == ["lost-0.png", "lost-1.png"]


async def test_files_of_an_erased_conversation_are_not_even_looked_for(stage: Stage) -> None:
    stage.erased = frozenset({"conversation-1", "long-ago"})
    assert await stage.run(*SINCE, "--yes") == 0
    assert sorted(stage.topic.names) == ["lost-0.png", "lost-2.png"]
    assert stage.out.getvalue().endswith(
        "published 2 of 4 files in 2 conversations; known 2 (2 by file name); 1 erased conversations skipped\n"
    )
    assert await stage.run("--conversation", "conversation-1", *SINCE, "--yes") == 3


async def test_a_dry_run_shows_what_is_missing_and_publishes_nothing(stage: Stage) -> None:
    assert await stage.run(*SINCE, "--dry-run", "--yes") == 0
    assert stage.topic.names == []
    shown = stage.out.getvalue()
    assert all(f"lost-{number}.png" in shown for number in range(3))
    assert "known-0.png" not in shown
    assert shown.endswith("would publish 3 of 6 files in 3 conversations; known 3 (3 by file name)\n")


async def test_as_json_there_is_a_line_for_each_file_and_the_sums(stage: Stage) -> None:
    assert await stage.run(*SINCE, "--dry-run", "--json") == 0
    *files, sums = stage.lines()
    assert sorted(line["result"] for line in files) == ["known"] * 3 + ["would publish"] * 3
    assert {line.get("by") for line in files if line["result"] == "known"} == {"file name"}
    assert sums == {
        "conversations": 3,
        "unread": 0,
        "erased": 0,
        "files": 6,
        "known": {"file_name": 3},
        "would_publish": 3,
        "failed": 0,
    }
    stage.out.truncate(0)
    stage.out.seek(0)
    assert await stage.run(*SINCE, "--yes", "--json") == 0
    assert sorted(line["result"] for line in stage.lines()[:-1]) == ["known"] * 3 + ["published"] * 3


async def test_names_excuse_nothing_where_they_are_to_be_ignored(stage: Stage) -> None:
    assert await stage.run(*SINCE, "--yes", "--ignore-names") == 0
    assert len(stage.topic.names) == 6


async def test_it_asks_before_it_publishes(stage: Stage) -> None:
    assert await stage.run(*SINCE, answer="n\n") == 1
    assert await stage.run(*SINCE) == 1
    assert stage.topic.names == []
    assert "nothing published" in stage.errors.getvalue()
    assert await stage.run(*SINCE, answer="y\n") == 0
    assert len(stage.topic.names) == 3


async def test_conversations_can_be_named(stage: Stage) -> None:
    named = ["--conversation", "conversation-1", "--conversation", "conversation-2", "--conversation", "conversation-1"]
    assert await stage.run(*SINCE, *named, "--yes") == 0
    assert stage.topic.names == ["lost-1.png", "lost-2.png"]
    assert stage.simulator.state.calls["query_conversations"] == 0


async def test_a_conversation_that_cannot_be_read_is_named_and_the_others_are_done(stage: Stage) -> None:
    assert await stage.run(*SINCE, "--conversation", "nobody", "--conversation", "conversation-0", "--yes") == 1
    assert stage.topic.names == ["lost-0.png"]
    assert "conversation nobody not read: conversation_closed" in stage.errors.getvalue()


async def test_what_kafka_does_not_take_is_named(stage: Stage) -> None:
    stage.topic = Topic(refused=b"lost-1.png")
    assert await stage.run(*SINCE, "--yes") == 1
    assert "not published" in stage.errors.getvalue()
    assert "published 2 of 6" in stage.out.getvalue()


async def test_where_no_guest_sent_a_file_there_is_nothing(stage: Stage) -> None:
    assert await stage.run("--since", iso(NOON + 60), "--until", iso(NOON + 120), "--yes") == 3


async def test_an_outage_is_waited_for(stage: Stage) -> None:
    stage.simulator.state.faults.add(Fault(kind="status", status=503, count=3))
    stage.simulator.state.faults.add(Fault(kind="drop_before", call="get_bodies", count=2))
    assert await stage.run(*SINCE, "--yes") == 0
    assert len(stage.topic.names) == 3
    assert "genesys_unavailable" in stage.errors.getvalue()


async def test_an_outage_that_lasts_ends_it_and_tells_where_to_go_on(stage: Stage) -> None:
    stage.simulator.state.faults.add(Fault(kind="status", status=500, conversation_id="conversation-1"))
    assert await stage.run(*SINCE, "--yes") == 1
    assert stage.topic.names == ["lost-2.png"]
    assert "gave up after 600 s" in stage.errors.getvalue()
    where = stage.errors.getvalue().strip().rpartition(" ")[2]
    stage.simulator.state.faults.clear()
    assert await stage.run(*SINCE, "--yes", "--started-since", where) == 0
    assert sorted(stage.topic.names) == ["lost-0.png", "lost-1.png", "lost-2.png"]


async def test_an_end_before_the_question_publishes_nothing(stage: Stage) -> None:
    stage.simulator.state.faults.add(Fault(kind="status", status=500, conversation_id="conversation-0"))
    assert await stage.run(*SINCE, answer="y\n") == 1
    assert stage.topic.names == []
    assert "nothing published" in stage.errors.getvalue()


async def test_a_missing_permission_is_named_at_once(stage: Stage) -> None:
    stage.simulator.state.faults.add(Fault(kind="status", status=403, call="query_conversations"))
    assert await stage.run(*SINCE, "--yes") == 1
    assert "analytics:conversationDetail:view" in stage.errors.getvalue()
    assert stage.now == 0.0


USAGE: Sequence[tuple[list[str], str]] = (
    ([], "say which"),
    (["--since", "1h", "--until", "2h"], "nothing lies between"),
    (["--since", "1m"], "nothing lies between"),
    (["--since", "8d"], "--beyond-retention"),
)


@pytest.mark.parametrize(("arguments", "why"), USAGE, ids=[why for _, why in USAGE])
def test_arguments_that_make_no_sense_end_with_code_2(
    arguments: list[str], why: str, main: Callable[[list[str]], int], capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(arguments) == 2
    assert why in capsys.readouterr().err


def test_what_kafka_no_longer_knows_can_be_looked_at_all_the_same() -> None:
    options = parser().parse_args(["backfill", "--since", iso(NOON - 30 * DAY_SECONDS), "--beyond-retention"])
    assert Choice.of(options, retention_hours=168, now=NOON).window.since == NOON - 30 * DAY_SECONDS


def test_a_conversation_alone_is_looked_at_as_far_back_as_kafka_knows() -> None:
    options = parser().parse_args(["backfill", "--conversation", "c"])
    window = Choice.of(options, retention_hours=1, now=NOON).window
    assert (window.since, window.until) == (NOON - 3600, NOON - 300)


@pytest.fixture
def main(monkeypatch: pytest.MonkeyPatch, tmp_path: Any) -> Callable[[list[str]], int]:
    """Return the command as the process runs it."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("GENESYS_CLIENT_ID", "id")
    monkeypatch.setenv("GENESYS_CLIENT_SECRET", "secret")
    return lambda arguments: run(["backfill", *arguments])


async def test_ctrl_c_ends_it_with_what_was_published_so_far(stage: Stage) -> None:
    stage.simulator.state.faults.add(Fault(kind="slow", seconds=60, conversation_id="conversation-1"))
    reads_the_slow_one = asyncio.Event()
    stage.progress = lambda conversation: reads_the_slow_one.set() if conversation == "conversation-1" else None
    running = asyncio.create_task(stage.run(*SINCE, "--yes"))
    async with asyncio.timeout(30):
        await reads_the_slow_one.wait()
    running.cancel()
    stage.simulator.state.faults.clear()
    assert await running == 1
    assert stage.topic.names == ["lost-2.png"]
    assert "interrupted\nnot done: go on with --started-since" in stage.errors.getvalue()


async def test_by_default_a_fifth_of_what_each_client_may_make_is_spent() -> None:
    two = {"genesys_client_id": "a,b", "genesys_client_secret": Secret("1,2")}
    settings = replace(backfill_settings("http://127.0.0.1:1"), **two)
    for asked, each in ((None, 60), (100.0, 50)):
        api = create_api(settings, asked)
        assert [login.rate.calls_per_minute for login in api.logins] == [each, each]
        await api.close()
