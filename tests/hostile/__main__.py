"""`python -m tests.hostile [--endurance] [FOLDER]`: hostile files through the renderer.

The files are those of FOLDER, else the public test files beside the checkout, else a minimum that is made here. Names
what is slow, large, or ends a child. The last line is one JSON object; exits 1 when a file crashed the parent, outlived
its deadline, or a child passed what it may use.
"""

import argparse
import asyncio
import json
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from agents.rendering.verdicts import Verdict
from tests.harness.files import photo, saved
from tests.hostile.endurance import endurance
from tests.hostile.nasties import nasties
from tests.hostile.runs import CHECKOUT, Tally, rendered

CORPUS = CHECKOUT.parent / "shared" / "corpus"
MOST_RESIDENT_BYTES = 1_000_000_000
MOST_REFUSED_RESIDENT_BYTES = 256_000_000
MOST_GROWTH = 1.1
REMARKABLE = frozenset({Verdict.CRASHED, Verdict.TIMEOUT})
SLOW_MS = 5_000


@contextmanager
def files_of(folder: Path | None) -> Iterator[list[Path]]:
    """Provide the files to render, those made here only as long as needed."""
    folder = folder or (CORPUS if CORPUS.is_dir() else None)
    if folder is not None:
        print(f"files of {folder}")
        yield sorted(path for path in folder.rglob("*") if path.is_file())
        return
    print(f"no public test files at {CORPUS}: files made here")
    with tempfile.TemporaryDirectory() as name:
        for file_name, data in nasties():
            (Path(name) / file_name).write_bytes(data)
        yield sorted(Path(name).iterdir())


def tell(tally: Tally) -> None:
    """Name the files that are worth a look."""
    for crash in tally.crashed_parent:
        print(f"crashed the parent: {crash}")
    for row in tally.rows:
        if row["verdict"] in REMARKABLE or row["wall_ms"] > SLOW_MS or row["peak_rss_bytes"] > MOST_RESIDENT_BYTES:
            print(_line(row))
    for row in tally.refused():
        if row["peak_rss_bytes"] > MOST_REFUSED_RESIDENT_BYTES:
            print(f"much before it was refused: {_line(row)}")


def _line(row: dict[str, Any]) -> str:
    megabytes = row["peak_rss_bytes"] / 1e6
    return f"{row['verdict']}: {row['file']} {row['wall_ms']:.0f} ms, {megabytes:.0f} MB, {row['reason']}"


def broken(summary: dict[str, Any]) -> bool:
    """Tell whether anything that must not happen did."""
    return bool(
        summary["crashed_parent"] > 0
        or summary["over_deadline"] > 0
        or summary["max_child_rss_bytes"] > MOST_RESIDENT_BYTES
        or summary["max_refused_rss_bytes"] > MOST_REFUSED_RESIDENT_BYTES
        or summary.get("rss_ratio", 0) > MOST_GROWTH
    )


def main() -> int:
    """Run, and sum up."""
    parser = argparse.ArgumentParser(prog="python -m tests.hostile")
    parser.add_argument("folder", nargs="?", type=Path, help="files to render instead")
    parser.add_argument("--endurance", action="store_true", help="also 5,000 mixed files through one child")
    given = parser.parse_args()
    tally = Tally()
    with files_of(given.folder) as files:
        started = time.monotonic()
        asyncio.run(rendered(files, tally))
        print(f"{len(files)} files in {time.monotonic() - started:.0f} s")
        tell(tally)
        summary = tally.summary()
        if given.endurance:
            lasting = [Path(row["file"]) for row in tally.rows if row["wall_ms"] < SLOW_MS / 10 and _survived(row)]
            summary |= asyncio.run(endurance(lasting, saved(photo(), "JPEG")))
    print(json.dumps(summary))
    return 1 if broken(summary) else 0


def _survived(row: dict[str, Any]) -> bool:
    return row["verdict"] not in REMARKABLE | {Verdict.TOO_LARGE}


if __name__ == "__main__":
    sys.exit(main())
