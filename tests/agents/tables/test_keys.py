"""Rows that are found by what their keys begin with, wherever they lie."""

from pathlib import Path

import pytest

from tests.agents.tables.stores import KINDS, NEW, MakeShelves, on_disk

HERE = [b"", b"a", b"a\xff", b"a\xff\xff", b"a\xff\xffb", b"b", b"\xff", b"\xff\xff"]


@KINDS
@pytest.mark.parametrize("prefix", [*HERE, b"c", b"a\x00"])
def test_keys_are_found_by_what_they_begin_with(make_shelves: MakeShelves, tmp_path: Path, prefix: bytes) -> None:
    shelf = make_shelves(tmp_path).open("changelog", 0, now=0.0)
    shelf.write([(key, b"v") for key in HERE], NEW)
    found = sorted(key for some in shelf.keys(prefix) for key in some)
    assert found == sorted(key for key in HERE if key.startswith(prefix))


def test_a_database_that_is_put_away_while_its_keys_are_looked_through_can_be_opened_again(tmp_path: Path) -> None:
    shelves = on_disk(tmp_path)
    shelf = shelves.open("changelog", 0, now=0.0)
    shelf.write([(b"a/1", b"v"), (b"b/1", b"v")], NEW)
    parts = shelf.keys(b"a/")
    assert next(parts) == [b"a/1"]
    shelf.close()
    shelves.open("changelog", 0, now=0.0).close()
    assert list(parts) == []
