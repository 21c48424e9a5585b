"""The public test files beside the project, where they are: nothing crashes, nothing lasts, nothing grows."""

import asyncio
from collections import Counter
from pathlib import Path

import pytest

from agents.rendering.pool import RenderPool
from agents.rendering.verdicts import RENDERED_VERDICTS, Answer, Limits, Verdict
from tests.agents.rendering.pools import running_pool

CORPUS = Path(__file__).parents[4] / "shared" / "corpus"
MOST_RESIDENT_BYTES = 1_000_000_000
MOST_REFUSED_RESIDENT_BYTES = 256_000_000
LEAST_RENDERED_SHARE = 0.975


def corpus() -> list[Path]:
    files = sorted(path for path in CORPUS.rglob("*") if path.is_file())
    if not files:
        pytest.skip(f"no corpus of test files at {CORPUS}")
    return files


async def answers_for(pool: RenderPool, files: list[Path]) -> dict[Path, Answer]:
    async def answer(path: Path) -> tuple[Path, Answer]:
        async with gate:
            data = await asyncio.to_thread(path.read_bytes)
            return path, await pool.render(data, file_name=path.name, declared_mime=None)

    gate = asyncio.Semaphore(4)
    return dict(await asyncio.gather(*map(answer, files)))


def drawn_share(answers: dict[Path, Answer], folder: str) -> float:
    openable = [
        answer.verdict in RENDERED_VERDICTS
        for path, answer in answers.items()
        if path.parent.name == folder and path.suffix == ".pdf" and answer.verdict is not Verdict.ENCRYPTED
    ]
    return sum(openable) / len(openable)


async def test_no_file_of_the_corpus_breaks_its_child_and_nearly_every_pdf_is_drawn() -> None:
    lost: list[str] = []
    async with running_pool(Limits(), children=2, on_lost=lost.append) as pool:
        answers = await answers_for(pool, corpus())
    counts = Counter(answer.verdict for answer in answers.values())
    assert lost == []
    assert counts[Verdict.CRASHED] == counts[Verdict.TIMEOUT] == 0
    assert max(answer.peak_rss_bytes for answer in answers.values()) < MOST_RESIDENT_BYTES
    refused = [answer for answer in answers.values() if answer.verdict not in RENDERED_VERDICTS]
    assert max(answer.peak_rss_bytes for answer in refused) < MOST_REFUSED_RESIDENT_BYTES
    assert drawn_share(answers, "mozilla__pdf.js") >= LEAST_RENDERED_SHARE
