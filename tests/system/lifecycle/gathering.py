"""Makes a history of what was read, seen and done in a run."""

from collections.abc import Iterable, Sequence

from stream.messages import ConversationRecord, DeadLetter, LifecycleRecord, Outcome, Preview
from tests.harness.ledger import Read
from tests.system.chaos.mayhem import Befallen, Mayhem
from tests.system.chaos.windows import Windows
from tests.system.chaos.world import World
from tests.system.lifecycle.history import Answered, Ended, History, Said, Stored, Told, Trouble
from tests.system.lifecycle.plan import CLOCK_SECONDS, TTL_SECONDS
from tests.system.lifecycle.traffic import Traffic
from tests.system.lifecycle.watch import Watch


def gathered(world: World, watch: Watch, traffic: Traffic, mayhem: Mayhem, windows: Windows) -> History:
    """Return the history up to now."""
    read = world.ledger.read
    return History(
        sightings=watch.sightings,
        ownership=watch.ownership,
        clock_seconds=CLOCK_SECONDS,
        stored=[one for each in read for one in _stored(each)],
        told=[one for each in read for one in _told(each)],
        sent=traffic.sent,
        ordered=list(traffic.ordered),
        answered=[one for each in read for one in _answered(each)],
        ended=[one for each in read for one in _ended(each)],
        said=_said(world),
        troubles=_troubles(mayhem.befallen, windows),
    )


def ttl_changes(befallen: Iterable[Befallen], changes: Sequence[tuple[float, float]]) -> int:
    """Return how often a worker was started with another time to live than it had before.

    `changes` are times, and what a worker that ended after it gets from then on.
    """
    lives: dict[str, float] = {}
    changed = 0
    for one in befallen:
        if one.action != "freeze":
            before = lives.get(one.process, TTL_SECONDS)
            lives[one.process] = next((ttl for at, ttl in reversed(changes) if at <= one.at), TTL_SECONDS)
            changed += before != lives[one.process]
    return changed


def _stored(read: Read) -> list[Stored]:
    if not isinstance(read.record, Preview):
        return []
    preview, attachment = read.record, read.record.attachment
    keys = [preview.object_key, *(variant.object_key for variant in preview.picture.variants)]
    return [
        Stored(
            key=key,
            event_id=attachment.event_id,
            conversation_id=attachment.conversation_id,
            partition=read.partition,
            taken_at=read.at,
            expires_at=preview.expires_at,
        )
        for key in keys
    ]


def _told(read: Read) -> list[Told]:
    record = read.record
    if not isinstance(record, LifecycleRecord) or record.state == "stored":
        return []
    about = {"key": record.object_key, "conversation_id": record.conversation_id}
    return [Told(**about, state=record.state, at=record.at, taken_at=read.at)]


def _answered(read: Read) -> list[Answered]:
    record = read.record
    if not isinstance(record, ConversationRecord):
        return []
    return [
        Answered(
            order_id=record.order_id,
            conversation_id=record.conversation_id,
            command=record.command,
            state=record.state,
            previews=record.previews,
            at=record.at,
            taken_at=read.at,
        )
    ]


def _ended(read: Read) -> list[Ended]:
    match read.record:
        case Outcome() as outcome:
            return [
                Ended(event_id=outcome.event_id, outcome=outcome.outcome, verdict=outcome.verdict, taken_at=read.at)
            ]
        case DeadLetter() as letter:
            return [Ended(event_id=letter.event_id, outcome="dead letter", verdict=letter.reason, taken_at=read.at)]
        case _:
            return []


def _said(world: World) -> list[Said]:
    return [
        Said(conversation_id=conversation["id"], at=message["at"])
        for conversation in world.genesys.control.conversations()
        for message in conversation["messages"]
        if message["direction"] == "outbound"
    ]


def _troubles(befallen: Iterable[Befallen], windows: Windows) -> list[Trouble]:
    kills = [Trouble("kill", one.at, one.at) for one in befallen if one.action == "kill"]
    return [*kills, *(Trouble("freeze", window.began, window.ended) for window in windows.all)]
