"""Stored previews that nothing refers to: what the storage holds, compared with the orders to delete it. Pure.

Whatever is stored has a row in the due table from before it was stored until it is to be deleted. So what was in the
storage when its listing began, and has no row in a changelog that was read afterwards, was left behind.
"""

from collections.abc import Collection, Iterable
from dataclasses import dataclass, field

import msgspec

from agents.object_keys import conversation_of, is_object_key
from agents.storage import StoredObject
from agents.tables.due import DueRow
from stream.kafka.snapshot import StoredRecord
from stream.messages import Expire, Together, decode_lifecycle_command, decoder

_decode_row = decoder(DueRow)


@dataclass(slots=True)
class Comparison:
    """What of the storage is referred to, and what is not."""

    objects: int = 0
    """Previews, by the form of their keys."""
    foreign: int = 0
    """Objects whose keys are none of ours; they are left alone."""
    young: int = 0
    """Previews within the grace period that nothing refers to; they are left alone."""
    rows_without_object: int = 0
    """Orders to delete what is not there, mostly of previews that could not be stored."""
    orphans: list[StoredObject] = field(default_factory=list)

    @property
    def orphan_bytes(self) -> int:
        """Return the size of all orphans."""
        return sum(one.size_bytes for one in self.orphans)


def referred_to(changelog: Iterable[StoredRecord]) -> set[str]:
    """Return the keys of all objects that rows of the due table are to delete, from the records of its changelog."""
    by_row: dict[tuple[int, bytes], tuple[str, ...]] = {}
    for record in changelog:
        if record.key is None:
            continue
        # Where topics have grown, a row was written in its new partition and ended in the old one, read in any order.
        row = (record.position.partition, record.key)
        keys = _objects_of(record.value)
        if keys:
            by_row[row] = keys
        else:
            by_row.pop(row, None)
    return {key for keys in by_row.values() for key in keys}


def compare(
    listed: Iterable[StoredObject], referred: set[str], *, modified_before: float, held: Collection[str] = ()
) -> Comparison:
    """Compare what was listed with what is referred to; only what was modified before a time counts as an orphan.

    A hold refers to all whose keys begin with the prefix of its conversation; `held` are such.
    """
    found = Comparison()
    missing = set(referred)
    for one in listed:
        if not is_object_key(one.key):
            found.foreign += 1
            continue
        found.objects += 1
        missing.discard(one.key)
        if one.key in referred or conversation_of(one.key) in held:
            continue
        if one.modified_at < modified_before:
            found.orphans.append(one)
        else:
            found.young += 1
    found.rows_without_object = len(missing)
    return found


def _objects_of(value: bytes | None) -> tuple[str, ...]:
    """Return the objects that a row deletes: that of an expiry, or those of expiries that are tried again."""
    try:
        row = _decode_row(value or b"")
        command = decode_lifecycle_command(row.value or b"")
    except msgspec.DecodeError:  # a tombstone, or the row of a retry
        return ()
    commands = command.commands if isinstance(command, Together) else (command,)
    return tuple(one.object_key for one in commands if isinstance(one, Expire))
