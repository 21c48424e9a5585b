"""`python -m agents reconcile`: finds stored previews that nothing refers to, and deletes them where it is told to."""

import asyncio
import json
import time
from argparse import Namespace
from collections.abc import Callable
from datetime import UTC, datetime
from functools import partial
from typing import Any, Final

from agents.object_keys import conversation_prefix
from agents.orphans import Comparison, compare, referred_to
from agents.settings import WorkerSettings
from agents.storage import S3Store, create_store
from stream.console import Console
from stream.failures import Failure
from stream.kafka.clients import KafkaUnreachableError
from stream.kafka.snapshot import UnknownTopicError, records
from stream.records.conversations import rows_of
from stream.settings import wrong
from stream.topics import Topics

CLEAN: Final = 0
ORPHANS_LEFT: Final = 1
FAILED: Final = 2
HOUR_SECONDS: Final = 3600.0
GRACE_HOURS: Final = 24.0
"""After the life of a preview."""
DELETED_AT_ONCE: Final = 1000


def run(settings: WorkerSettings, options: Namespace, console: Console, clock: Callable[[], float] = time.time) -> int:
    """Compare, report, and delete with `--delete`; 0 when no orphan is left, 1 when some are, 2 when it failed.

    Raises:
        WrongSettingError: The storage cannot be listed.
    """
    store = create_store(settings)
    if not isinstance(store, S3Store):
        raise wrong("STORAGE_MODE", settings.storage_mode, "s3: a presigned address cannot list what is stored")
    try:
        return asyncio.run(_reconcile(settings, options, console, store, clock))
    except (Failure, KafkaUnreachableError, UnknownTopicError) as error:
        console.complain(str(error))
        return FAILED


def grace_seconds(hours: float | None, ttl_seconds: float) -> float:
    """Return the age up to which a preview is left alone: unless it is given, a day more than links are good for.

    Without its row a preview may still be looked at, as after the changelog was lost.
    """
    return ttl_seconds + GRACE_HOURS * HOUR_SECONDS if hours is None else hours * HOUR_SECONDS


async def _reconcile(
    settings: WorkerSettings, options: Namespace, console: Console, store: S3Store, clock: Callable[[], float]
) -> int:
    before = clock() - grace_seconds(options.grace_hours, settings.preview_ttl_seconds)
    # In this order: a row is written before its object, so whatever is listed has its row when the rows are read.
    listed = await store.listed()
    console.progress(f"{len(listed)} objects listed; reading the rows …")
    changelog = partial(records, settings, Topics.of(settings).due_changelog)
    referred = await asyncio.to_thread(lambda: referred_to(changelog()))
    held = await asyncio.to_thread(_held, settings)
    console.progress("")
    found = compare(listed, referred, modified_before=before, held=held)
    deleted = await _deleted(found, options, console, store)
    _report(found, referred, deleted, options, console)
    await store.close()
    return CLEAN if deleted == len(found.orphans) else ORPHANS_LEFT


def _held(settings: WorkerSettings) -> set[str]:
    """Return what the object keys of held conversations begin with."""
    rows = rows_of(records(settings, Topics.of(settings).conversations_changelog))
    return {conversation_prefix(settings.object_key_secret, one) for one, row in rows.items() if row.state == "held"}


async def _deleted(found: Comparison, options: Namespace, console: Console, store: S3Store) -> int:
    """Delete the orphans where that is asked for; return how many."""
    if not options.delete or not found.orphans:
        return 0
    if len(found.orphans) > options.at_most:
        console.complain(
            f"{len(found.orphans)} of {found.objects} previews would be deleted, and --at-most is {options.at_most}: "
            "nothing was. Is it the right WORKER_GROUP, and is its due changelog complete?"
        )
        return 0
    keys = [one.key for one in found.orphans]
    for first in range(0, len(keys), DELETED_AT_ONCE):
        await store.delete(keys[first : first + DELETED_AT_ONCE])
    return len(keys)


def _report(found: Comparison, referred: set[str], deleted: int, options: Namespace, console: Console) -> None:
    counts: dict[str, Any] = {
        "objects": found.objects,
        "referredTo": len(referred),
        "orphans": len(found.orphans),
        "orphanBytes": found.orphan_bytes,
        "deleted": deleted,
        "young": found.young,
        "foreign": found.foreign,
        "rowsWithoutObject": found.rows_without_object,
    }
    if options.json:
        console.say(json.dumps(counts | {"orphanKeys": [one.key for one in found.orphans]}))
        return
    for one in found.orphans:
        at = datetime.fromtimestamp(one.modified_at, UTC).isoformat(timespec="seconds")
        console.say(f"{at}  {one.size_bytes:>9}  {one.key}")
    console.say(
        f"{found.objects} previews, {len(found.orphans)} orphans among them ({found.orphan_bytes} bytes), "
        f"{deleted} deleted; {found.young} without a row are younger than the grace period, "
        f"{found.foreign} other objects left alone, "
        f"{found.rows_without_object} rows without an object"
    )
