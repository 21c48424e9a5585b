"""How long the first page of a PDF takes from bytes to preview, with a warm child, the hand-over included."""

import time
from collections.abc import Sequence
from pathlib import Path
from statistics import median
from typing import Final

from agents.rendering.pool import RenderPool
from bench.contestants.ours import pool

CORPUS: Final = Path(__file__).resolve().parents[2] / "shared" / "corpus"
PDF_FOLDER: Final = "mozilla__pdf.js"
LARGEST_BYTES: Final = 26_214_400  # larger ones are never downloaded


def pdf_files(corpus: Path = CORPUS) -> list[Path]:
    """Return the pdf.js files of the corpus folder, none when it is not there."""
    return sorted(path for path in (corpus / PDF_FOLDER).glob("**/*.pdf") if 0 < path.stat().st_size <= LARGEST_BYTES)


async def seconds_of(files: Sequence[Path], rounds: int) -> dict[str, float]:
    """Return the median wall seconds of each file; a pool of its own for each round, which remembers no refusal."""
    each: dict[str, list[float]] = {path.name: [] for path in files}
    for _ in range(rounds):
        async with pool(children=1) as renderer:
            await renderer.render(files[0].read_bytes(), file_name="warm.pdf")
            for path in files:
                each[path.name].append(await _seconds(renderer, path.name, path.read_bytes()))
    return {name: median(values) for name, values in each.items()}


async def _seconds(renderer: RenderPool, name: str, data: bytes) -> float:
    started = time.perf_counter()
    await renderer.render(data, file_name=name)
    return time.perf_counter() - started
