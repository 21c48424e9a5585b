"""Files through `python -m agents render`, in processes of their own, so that one that breaks its parent is seen."""

import asyncio
import json
import sys
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from agents.rendering.verdicts import RENDERED_VERDICTS, Limits, Verdict

CHECKOUT = Path(__file__).parents[2]
PROCESSES = 2
UNDERSTOOD = {0, 1}
MARGIN_SECONDS = 1.0
LINE_BYTES = 1_000_000


@dataclass
class Tally:
    """What became of all files."""

    rows: list[dict[str, Any]] = field(default_factory=list)
    crashed_parent: list[str] = field(default_factory=list)

    def over_deadline(self) -> list[dict[str, Any]]:
        """Return the files that outlived their deadline."""
        most_ms = (Limits().wall_seconds + MARGIN_SECONDS) * 1000
        return [row for row in self.rows if row["wall_ms"] > most_ms]

    def refused(self) -> list[dict[str, Any]]:
        """Return the files that became no picture."""
        return [row for row in self.rows if row["verdict"] not in RENDERED_VERDICTS]

    def summary(self) -> dict[str, Any]:
        """Return the last line."""
        verdicts = Counter(row["verdict"] for row in self.rows)
        return {
            "files": len(self.rows),
            "rendered": verdicts[Verdict.RENDERED] + verdicts[Verdict.PARTIAL],
            "verdicts": dict(verdicts.most_common()),
            "crashed_parent": len(self.crashed_parent),
            "over_deadline": len(self.over_deadline()),
            "max_child_rss_bytes": most(self.rows, "peak_rss_bytes"),
            "max_refused_rss_bytes": most(self.refused(), "peak_rss_bytes"),
            "slowest_ms": most(self.rows, "wall_ms"),
        }


def most(rows: Sequence[dict[str, Any]], column: str) -> Any:
    """Return the largest value of a column, 0 of no rows."""
    return max((row[column] for row in rows), default=0)


async def rendered(files: Sequence[Path], tally: Tally, *, processes: int = PROCESSES) -> Tally:
    """Render all files, a share in each process."""
    await asyncio.gather(*(_share(files[first::processes], tally) for first in range(processes)))
    return tally


async def _share(files: Sequence[Path], tally: Tally) -> None:
    """Render one after another; when the process ends early, the file that it was at is to blame; the rest go on."""
    while files:
        done, code = await _process(files, tally)
        if done < len(files) or code not in UNDERSTOOD:
            tally.crashed_parent.append(f"{files[min(done, len(files) - 1)]} (exit code {code})")
        files = files[done + 1 :] if done < len(files) else []


async def _process(files: Sequence[Path], tally: Tally) -> tuple[int, int]:
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "agents", "render", "--json", *map(str, files)),
        cwd=CHECKOUT,
        env={"PATH": "/usr/local/bin:/usr/bin:/bin", "RENDER_CHILDREN": "1"},
        stdout=asyncio.subprocess.PIPE,
        limit=LINE_BYTES,
    )
    assert process.stdout is not None
    done = 0
    async for line in process.stdout:
        tally.rows.append(json.loads(line))
        done += 1
    return done, await process.wait()
