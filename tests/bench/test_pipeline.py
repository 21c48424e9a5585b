import asyncio
import json
from itertools import pairwise
from pathlib import Path
from urllib.request import urlopen

import pytest

from agents.kafka.lane import Lane, LaneLimits, Record
from agents.kafka.offsets import Offsets
from bench.pipeline.__main__ import server
from bench.pipeline.memory import LostError, MemoryTopics
from bench.pipeline.ours import pace
from bench.pipeline.task import Task, events
from bench.pipeline.tutorial import Tutorial
from stream.messages import Outcome, encode
from stream.topics import Topics
from tests.harness.files import photo, saved

TOPICS = Topics(
    attachments="attachments",
    previews="previews",
    lifecycle="lifecycle",
    results="results",
    dead_letters="dead-letters",
    links_changelog="links-changelog",
    due_changelog="due-changelog",
    conversations_changelog="conversations-changelog",
)


def outcome(kind: str) -> bytes:
    return encode(
        Outcome(
            event_id="e",
            conversation_id="c",
            outcome=kind,  # type: ignore[arg-type]
            verdict="rendered",
            file_name="a.png",
            mime_type="",
            attempt=1,
            finished_at=1.0,
        )
    )


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A folder with three small photographs."""
    for number in range(3):
        (tmp_path / f"{number}.jpeg").write_bytes(saved(photo((400, 300), seed=number), "JPEG"))
    return tmp_path


def test_both_ways_bring_every_file_into_its_conversation(folder: Path) -> None:
    names = [path.name for path in sorted(folder.iterdir())]
    with server(folder, ()) as ports:
        task = Task(ports["port"], ports["api_port"], names * 2, names[:1])
        measured = asyncio.run(pace(task))
        assert counted(task) == {"posts": 7, "objects": 7}
        tutorial = Tutorial(task, folder)
        for event in events(names, "tutorial"):
            tutorial.process(event)
        assert counted(task) == {"posts": 10, "objects": 10}
    assert measured.previews == 6
    assert measured.cpu_seconds > measured.parent_cpu_seconds > 0


def counted(task: Task) -> object:
    with urlopen(f"{task.server}/count") as answer:
        return json.load(answer)


async def test_records_are_held_back_while_a_lane_asks_for_it_and_come_in_order() -> None:
    memory, seen = MemoryTopics(TOPICS, 1), list[int]()

    async def job(record: Record) -> None:
        seen.append(record.offset)
        if len(seen) == 5:
            memory.lose("enough")

    lane = Lane(job, limits=LaneLimits(1, high=2), offsets=Offsets(), flow=memory, crash=memory.crash)
    memory.lanes = {TOPICS.attachments: lane}
    for _ in range(5):
        await memory.send(TOPICS.attachments, key=b"key", value=b"")
    assert lane.open == 2
    with pytest.raises(LostError, match="enough"):
        await memory.until_linked(1)
    assert seen == [0, 1, 2, 3, 4]


async def test_an_event_that_does_not_end_well_ends_the_measurement() -> None:
    memory = MemoryTopics(TOPICS, 4)
    await memory.send(TOPICS.results, key=b"c", value=outcome("linked"))
    await memory.until_linked(1)
    await memory.send(TOPICS.results, key=b"c", value=outcome("rejected"))
    with pytest.raises(LostError, match=r"a\.png"):
        await memory.until_linked(3)


async def test_a_changelog_gives_each_partition_offsets_of_its_own() -> None:
    memory = MemoryTopics(TOPICS, 4)
    offsets = [await memory.append("log", key=b"k", value=None, partition=at) for at in (0, 0, 1)]
    assert offsets == [0, 1, 0]


def test_the_files_of_a_conversation_do_not_follow_each_other() -> None:
    some = events([f"{number}.png" for number in range(9)], "event")
    conversations = [event.conversation_id for event in some]
    assert len({event.id for event in some}) == 9
    assert all(conversations.count(one) == 3 for one in conversations)
    assert all(one != other for one, other in pairwise(conversations))
