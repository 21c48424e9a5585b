"""Which rows and records lie in another partition than their key's, as they do once a topic has more; pure."""

from collections.abc import Iterable, Iterator, Mapping
from typing import NamedTuple

import msgspec
from msgspec import Struct

from stream.messages import Forget, decode_lifecycle_command, decoder
from stream.records.homes import partition_of

Rows = Mapping[int, Mapping[bytes, bytes]]
"""The rows of a table: partition → key → the row's bytes."""
Owners = Mapping[tuple[int, bytes], bytes]
"""The record key of an event's preview, by the partition and key of its `links` row."""


class Move(NamedTuple):
    """A row that belongs into another partition; its bytes go as they are, whatever version wrote them."""

    key: bytes
    value: bytes
    source: int
    target: int


class Plan(NamedTuple):
    """What becomes of the rows that lie wrong."""

    moves: list[Move]
    left: int
    """How many stay, as another row of the same key stands where they belong."""


class Waiting(Struct, frozen=True, rename="camel"):
    """What tells where a due row belongs; see agents/tables/due.py for all of it."""

    key: bytes | None = None
    value: bytes | None = None


_decode_waiting = decoder(Waiting)


def owners(due: Rows, commands: Iterable[tuple[int, bytes | None, bytes | None]]) -> Owners:
    """Return whose `links` rows there are, from the orders to forget them.

    Those wait in the due table or, as `commands` (partition, key, value), in [lifecycle].
    """
    waiting = ((at, row.key, row.value) for at, _, row in _waiting(due))
    return {
        (at, order.event_id.encode()): key
        for at, key, value in (*waiting, *commands)
        if key is not None and (order := _forget(value)) is not None
    }


def due_plan(due: Rows, partitions: int) -> Plan:
    """Plan where due rows go: to the partition of the record that they will send."""
    belongs = {(at, name): row.key for at, name, row in _waiting(due) if row.key is not None}
    return _plan(due, belongs, partitions)


def links_plan(links: Rows, owners: Owners, partitions: int) -> Plan:
    """Plan where `links` rows go: to the partition of their event's preview. One without an owner stays."""
    return _plan(links, owners, partitions)


def conversations_plan(rows: Rows, partitions: int) -> Plan:
    """Plan where `conversations` rows go: to the partition of the conversation, which is their name."""
    return _plan(rows, {(at, name): name for at, held in rows.items() for name in held}, partitions)


def _plan(rows: Rows, belongs: Owners, partitions: int) -> Plan:
    moves: list[Move] = []
    left = 0
    taken: set[tuple[int, bytes]] = set()
    for at, held in sorted(rows.items()):
        for name, value in held.items():
            key = belongs.get((at, name))
            target = at if key is None else partition_of(key, partitions)
            if target == at:
                continue
            # The same bytes there are the work of an earlier run, which did not get as far as to end these.
            if rows.get(target, {}).get(name, value) != value or (target, name) in taken:
                left += 1
                continue
            taken.add((target, name))
            moves.append(Move(name, value, at, target))
    return Plan(moves, left)


def _waiting(due: Rows) -> Iterator[tuple[int, bytes, Waiting]]:
    for at, held in due.items():
        for name, value in held.items():
            try:
                yield at, name, _decode_waiting(value)
            except msgspec.DecodeError:  # no row of ours; the workers skip it, too
                continue


def _forget(value: bytes | None) -> Forget | None:
    try:
        command = decode_lifecycle_command(value or b"")
    except msgspec.DecodeError:
        return None
    return command if isinstance(command, Forget) else None
