"""Rows that another version has written, as after an upgrade that is taken back; see docs/operations.md."""

from pathlib import Path

import msgspec
import pytest

from agents.said import LinkRow
from agents.tables.due import DueRow
from agents.tables.rocksdb import RocksShelves
from agents.tables.shelves import MemoryShelves, Shelves
from tests.agents.changelogs import Changelog, make_rows


class NextLinkRow(msgspec.Struct, frozen=True, kw_only=True, rename="camel"):
    """A row of `links` as a version to come may write it."""

    version: int = 2
    state: str
    reaction: str = ""


OLD = b'{"version":1,"state":"sent","messageId":"m"}'
KNOWN = b'{"version":2,"state":"sent","messageId":"m","reaction":"liked"}'
UNKNOWN = b'{"version":2,"state":"seen","reaction":"liked"}'


def shelves_of(store: str, folder: Path) -> Shelves:
    return RocksShelves(str(folder)) if store == "rocksdb" else MemoryShelves()


def test_a_row_with_fields_to_come_is_read_without_them() -> None:
    rows, skipped = Changelog(), list[int]()
    rows.add(0, b"e", KNOWN)
    links = make_rows(rows, LinkRow, skipped=skipped)
    rows.replay_into(links)
    assert (links.get(0, "e"), skipped) == (LinkRow(version=2, state="sent", message_id="m"), [])


def test_a_row_of_before_is_read_by_a_version_that_has_more_fields() -> None:
    log = Changelog()
    log.add(0, b"e", OLD)
    links = make_rows(log, NextLinkRow)
    log.replay_into(links)
    assert links.get(0, "e") == NextLinkRow(version=1, state="sent")


def test_a_due_row_of_before_is_fired_as_it_is() -> None:
    log = Changelog()
    log.add(0, b"again/previews/7", b'{"dueAt":1.5,"topic":"previews","key":"aw==","value":"dg=="}')
    due = make_rows(log, DueRow)
    log.replay_into(due)
    assert due.get(0, "again/previews/7") == DueRow(due_at=1.5, topic="previews", key=b"k", value=b"v")


@pytest.mark.parametrize("store", ["memory", "rocksdb"])
def test_a_row_of_a_shape_to_come_is_skipped_and_counted_and_stays_in_the_changelog(store: str, tmp_path: Path) -> None:
    log, skipped = Changelog(), list[int]()
    log.add(0, b"e", UNKNOWN)
    links = make_rows(log, LinkRow, skipped=skipped, shelves=shelves_of(store, tmp_path))
    log.replay_into(links)
    assert (links.get(0, "e"), skipped, log.last(0, "e")) == (None, [1], UNKNOWN)
    links.close()


@pytest.mark.parametrize(
    ("store", "is_back"), [("memory", True), ("rocksdb", False)], ids=["memory", "a database that is continued"]
)
def test_such_a_row_is_back_after_the_next_upgrade_unless_a_database_was_continued(
    store: str, *, is_back: bool, tmp_path: Path
) -> None:
    log, shelves = Changelog(), shelves_of(store, tmp_path)
    log.add(0, b"e", UNKNOWN)
    rolled_back = make_rows(log, LinkRow, shelves=shelves)
    log.replay_into(rolled_back)
    rolled_back.close()
    upgraded = make_rows(log, NextLinkRow, shelves=shelves)
    log.replay_into(upgraded)
    assert (upgraded.get(0, "e") is not None) == is_back
    upgraded.close()
    anew = make_rows(log, NextLinkRow, shelves=MemoryShelves() if store == "memory" else RocksShelves(f"{tmp_path}-2"))
    log.replay_into(anew)
    assert anew.get(0, "e") == NextLinkRow(state="seen", reaction="liked")
