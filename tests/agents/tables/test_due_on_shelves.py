"""The due table with its rows and their index in both places."""

from pathlib import Path
from typing import Final

from agents.tables.due import LOOK_AGAIN_SECONDS, Due, DueRow
from agents.tables.due_index import DueIndex
from tests.agents.changelogs import Changelog, make_rows
from tests.agents.tables.stores import KINDS, NEW, MakeShelves, on_disk
from tests.agents.tables.test_due import Sent, row

LATER: Final = 50.0 + LOOK_AGAIN_SECONDS


@KINDS
async def test_rows_that_stay_are_put_off_and_others_sent_wherever_rows_lie(
    make_shelves: MakeShelves, tmp_path: Path
) -> None:
    log, sent, now, shelves = Changelog(), Sent(), [50.0], make_shelves(tmp_path)
    index = DueIndex()
    rows = make_rows(log, DueRow, index, shelves=shelves)
    due = Due(rows, index, sent, lambda: now[0], ["attachments"], stays=lambda key: key.startswith("stays"))
    for number in range(3):
        await due.put(number, f"stays/{number}", row(10.0, b"stays"))
        await due.put(number, f"goes/{number}", row(20.0, b"goes"))
        await due.put(number, f"later/{number}", row(LATER, b"later"))
    assert await due.sweep() == 6
    assert await due.sweep() == 0
    assert len(index) == 6
    now[0] = LATER
    assert await due.sweep() == 6
    await due.delete(0, "stays/0", only=row(10.0, b"stays"))
    due.look_again(1, "stays/1")
    assert await due.sweep() == 1
    assert [value for _, _, value in sent.records].count(b"stays") == 7
    rows.close()
    shelves.close()


async def test_a_row_on_disk_that_another_version_wrote_is_looked_at_once_and_holds_up_no_other(tmp_path: Path) -> None:
    shelves, skipped, index = on_disk(tmp_path), list[int](), DueIndex()
    shelf = shelves.open("tests-table-changelog", 0, 0.0, index.time_of)
    shelf.write([(b"other", b'{"dueAt":1.0}')], NEW)
    shelf.close()
    sent = Sent()
    rows = make_rows(Changelog(), DueRow, index, skipped, shelves=shelves)
    due = Due(rows, index, sent, lambda: 50.0, ["attachments"])
    await due.put(0, "k", row(10.0))
    assert await due.sweep() == 1
    assert await due.sweep() == 0
    assert len(skipped) == 1
    rows.close()
    shelves.close()
