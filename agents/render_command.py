"""`python -m agents render FILE…`: local files through the engine and the confinement of the worker."""

import asyncio
import json
import sys
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import msgspec
from prometheus_client import CollectorRegistry

from agents.rendering.pool import RenderPool, create_pool
from agents.rendering.sniff import sniff
from agents.rendering.verdicts import RENDERED_VERDICTS, Answer, Refusal, Rendition, Verdict
from agents.scratch import create_scratch
from agents.settings import RenderSettings
from stream.failures import Retryable
from stream.telemetry import Metrics

ALL_RENDERED: Final = 0
SOME_REFUSED: Final = 1
FAILED: Final = 2
COLUMNS: Final = ("file", "verdict", "type", "size", "bytes", "cpu_ms", "wall_ms", "peak_mb", "engine", "reason")
WIDEST_CELL: Final = 60
MEGABYTE: Final = 1_000_000


@dataclass(frozen=True)
class Result:
    """What became of one file."""

    path: Path
    answer: Answer
    wall_seconds: float

    def row(self) -> dict[str, Any]:
        """Return what --json prints: sizes in pixels and bytes are the preview's, null without one."""
        answer = self.answer
        picture = answer if isinstance(answer, Rendition) else None
        return {
            "file": str(self.path),
            "verdict": answer.verdict.value,
            "reason": answer.reason if isinstance(answer, Refusal) else answer.note,
            "type": answer.format,
            "width": picture and picture.width_px,
            "height": picture and picture.height_px,
            "bytes": picture and len(picture.webp),
            "cpu_ms": round(answer.cpu_seconds * 1000, 1),
            "wall_ms": round(self.wall_seconds * 1000, 1),
            "peak_rss_bytes": answer.peak_rss_bytes,
            "engine": picture and picture.engine,
        }


def run(files: Sequence[Path], *, as_json: bool, out: Path | None, settings: RenderSettings) -> int:
    """Render the files; return 0 when all became pictures, 1 when some got a verdict instead, 2 when some failed."""
    if out is not None:
        try:
            out.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            sys.stderr.write(f"--out {out}: {error.strerror}\n")
            return FAILED
    return asyncio.run(_Run(files, as_json=as_json, out=out, settings=settings).all())


class _Run:
    """One run of the command."""

    def __init__(self, files: Sequence[Path], *, as_json: bool, out: Path | None, settings: RenderSettings) -> None:
        self._files = files
        self._as_json = as_json
        self._settings = settings
        self._shelf = Shelf(out) if out is not None else None
        self._results: list[Result] = []
        self._failed = False

    async def all(self) -> int:
        scratch = create_scratch("")
        pool = create_pool(self._settings, scratch, Metrics(CollectorRegistry()))
        try:
            await pool.start()
            for path in self._files:
                await self._one(pool, path)
        finally:
            await pool.close()
            scratch.rmdir()
        if not self._as_json:
            sys.stdout.writelines(f"{line}\n" for line in table(self._results))
        return self._exit_code()

    async def _one(self, pool: RenderPool, path: Path) -> None:
        try:
            data = read(path, self._settings.download_max_bytes)
        except OSError as error:
            sys.stderr.write(f"{path}: {error.strerror}\n")
            self._failed = True
            return
        started = time.monotonic()
        try:
            answer = await self._answer(pool, path, data)
        except Retryable as failure:
            sys.stderr.write(f"{path}: {failure}\n")
            self._failed = True
            return
        if answer.format is None:  # who never answered could not tell what it was
            answer = msgspec.structs.replace(answer, format=sniff(data).type)
        result = Result(path, answer, time.monotonic() - started)
        self._results.append(result)
        if self._as_json:
            sys.stdout.write(json.dumps(result.row()) + "\n")
            sys.stdout.flush()
        if self._shelf is not None and isinstance(answer, Rendition):
            self._shelf.put(path.name, answer.webp)

    async def _answer(self, pool: RenderPool, path: Path, data: bytes) -> Answer:
        limit = self._settings.download_max_bytes
        if len(data) > limit:
            reason = f"The file is larger than {limit / MEGABYTE:.1f} MB."
            return Refusal(verdict=Verdict.TOO_LARGE, reason=reason)
        try:
            return await pool.render(data, file_name=path.name)
        except Retryable:  # the machine was busy, or the children have just lost their server: once more
            return await pool.render(data, file_name=path.name)

    def _exit_code(self) -> int:
        if self._failed:
            return FAILED
        rendered = all(result.answer.verdict in RENDERED_VERDICTS for result in self._results)
        return ALL_RENDERED if rendered else SOME_REFUSED


class Shelf:
    """A folder of previews, in which two files of one name do not take each other's place."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._taken: set[str] = set()

    def put(self, file_name: str, webp: bytes) -> Path:
        """Write a preview as the name of its file with .webp behind."""
        name, number = f"{file_name}.webp", 1
        while name in self._taken:
            number += 1
            name = f"{file_name}-{number}.webp"
        self._taken.add(name)
        path = self._folder / name
        path.write_bytes(webp)
        return path


def read(path: Path, most_bytes: int) -> bytes:
    """Read a file, and no more than a byte beyond the limit of one that is too large; raises OSError."""
    with path.open("rb") as file:
        return file.read(most_bytes + 1)


def table(results: Sequence[Result]) -> Iterator[str]:
    """Yield the lines of a table for people."""
    rows = [COLUMNS, *(_cells(result) for result in results)]
    widths = [min(WIDEST_CELL, max(len(row[column]) for row in rows)) for column in range(len(COLUMNS) - 1)]
    for row in rows:
        cells = (cell[-width:].ljust(width) for cell, width in zip(row[:-1], widths, strict=True))
        yield "  ".join([*cells, row[-1]]).rstrip()


def _cells(result: Result) -> tuple[str, ...]:
    row = result.row()
    row["size"] = f"{row['width']}x{row['height']}" if row["width"] else None
    row["peak_mb"] = f"{row['peak_rss_bytes'] / MEGABYTE:.0f}"
    return tuple("-" if row[column] is None else str(row[column]) for column in COLUMNS)
