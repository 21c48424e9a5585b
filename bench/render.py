"""What a preview costs: python -m bench.render [--quick] [--write-docs]

CPU seconds of ours, the tutorial's way and the peers on the same files, round after round in turn. The last line is
one JSON object.
"""

import argparse
import asyncio
import json
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import Final

from bench.contestants.entry import TUTORIAL, Contestant, contestants, versions
from bench.contestants.job import Cost
from bench.corpus.mix import QUICK, Corpus, Shares, corpus
from bench.figures import FORMATS, JUDGED_FORMATS, MS, Figures, percentile
from bench.latency import pdf_files, seconds_of
from bench.pages import DOCS, Noise, bars, load_average, machine, table, write_section
from tools.command import say

PLOT: Final = "benchmark-render.svg"
QUICK_PDFS: Final = 40
LATENCY_ROUNDS: Final = 3


def rounds_of(found: Sequence[Contestant], files: Corpus, rounds: int, effort: int) -> list[dict[str, list[Cost]]]:
    """Let all take part in each round, another one first each time."""
    paths = [files.path(source) for source in files.sources]
    warm = _smallest_of_each_format(paths)
    measured = []
    for number in range(rounds):
        turn = number % len(found)
        costs = {}
        with tempfile.TemporaryDirectory() as out:
            for contestant in [*found[turn:], *found[:turn]]:
                costs[contestant.name] = contestant.costs(paths, warm, Path(out) / contestant.name, effort)
        measured.append({contestant.name: costs[contestant.name] for contestant in found})
        say(f"round {number + 1} of {rounds}")
    return measured


def latencies_ms(*, quick: bool) -> list[float]:
    """Return how long each pdf.js file of the corpus folder takes."""
    files = pdf_files()
    if quick:
        files = files[:QUICK_PDFS]
    if not files:
        say("pdf.js files: ../shared/corpus is not there, so their times are left out")
        return []
    return [seconds * MS for seconds in asyncio.run(seconds_of(files, 1 if quick else LATENCY_ROUNDS)).values()]


def summary(figures: Figures, pdf_ms: Sequence[float]) -> dict[str, object]:
    """Return the object of the last line."""
    by_format = {name: figures.peer_ratio(name) for name in JUDGED_FORMATS}
    return {
        "cpu_ratio_vs_tutorial": round(figures.mix_ratio().median, 3),
        "by_format_vs_fastest_peer": {name: ratio and round(ratio.median, 3) for name, ratio in by_format.items()},
        "parent_ms_per_job": round(figures.parent_ms(), 2),
        "pdf_p50_ms": round(percentile(pdf_ms, 50), 1) if pdf_ms else None,
        "pdf_p99_ms": round(percentile(pdf_ms, 99), 1) if pdf_ms else None,
    }


def cost_table(figures: Figures) -> str:
    """Return CPU milliseconds a file, by format and on the mix."""
    rows = []
    for name in FORMATS:
        ratio, fastest = figures.peer_ratio(name), figures.fastest_peer(name)
        told = f"{ratio.median:.2f} ({fastest}; {ratio.least:.2f}–{ratio.most:.2f})" if ratio else "–"
        rows.append([name, *(_ms(figures.format_ms(each, name)) for each in figures.names), told])
    ratio = figures.mix_ratio()
    mix = [_ms(figures.mix_ms(each)) for each in figures.names]
    told = f"{ratio.median:.2f} of the tutorial's ({ratio.least:.2f}–{ratio.most:.2f})"
    sizes = [_ms(figures.output_bytes(each)) for each in figures.names]
    rows += [["**mix**", *mix, told], ["bytes of a preview", *sizes, ""]]
    return table(["CPU ms a file", *figures.names, "ours ÷ fastest peer"], rows)


def write_docs(
    figures: Figures, files: Corpus, found: Sequence[Contestant], effort: int, context: Sequence[str]
) -> None:
    """Write the table and the plot into docs/."""
    groups = {}
    for name in (*JUDGED_FORMATS, "mix"):
        times = {
            each: figures.mix_ms(each) if name == "mix" else figures.format_ms(each, name) for each in figures.names
        }
        reference = times[TUTORIAL] or 1.0
        groups[name] = {each: ms / reference for each, ms in times.items() if ms is not None}
    (DOCS / PLOT).write_text(bars("CPU a preview, the tutorial's way = 1", groups, figures.names))
    told = ", ".join(f"{name} {version}" for name, version in versions(found).items())
    notes = [
        f"- Files: {len(files.in_mix)} in the mix and {len(files.sources) - len(files.in_mix)} more; {files.origin}.",
        f"- Peers: {told}; WebP effort {effort} for every peer, which is ours, so that previews are alike.",
        *(f"- {line}" for line in context),
    ]
    plot = f"![CPU a preview by format]({PLOT})"
    write_section("render", "\n\n".join([cost_table(figures), "\n".join(notes), plot]))


def main() -> int:
    given = _options()
    files = corpus(given.seed, QUICK if given.quick else Shares())
    found, missing = contestants()
    before = load_average()
    figures = Figures(rounds_of(found, files, given.rounds or (1 if given.quick else 5), given.effort), files.sources)
    figures.check()
    pdf_ms = latencies_ms(quick=given.quick)
    noise = Noise(before, load_average())
    told = summary(figures, pdf_ms)
    p50, p99 = told["pdf_p50_ms"], told["pdf_p99_ms"]
    context = [
        f"{len(figures.rounds)} rounds in turn, medians; in brackets the least and the most of a round.",
        f"The parent's own share is {told['parent_ms_per_job']} ms a job.",
        f"First page of {len(pdf_ms)} pdf.js files, hand-over included: p50 {p50} ms, p99 {p99} ms, wall time.",
        f"{machine()}; {noise}.",
        *(f"{name} was left out: {reason}." for name, reason in missing.items()),
    ]
    if given.write_docs:
        write_docs(figures, files, found, given.effort, context)
    print(cost_table(figures), *context, f"Files: {files.origin}.", sep="\n")
    print(json.dumps(told))
    return 0


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--quick", action="store_true", help="few files, one round: does it run at all?")
    parser.add_argument("--rounds", type=int, default=0, help="5 unless quick")
    parser.add_argument("--seed", type=int, default=1, help="another seed makes another corpus")
    parser.add_argument("--effort", type=int, default=2, help="of the peers' WebP encoders; their own default is 4")
    parser.add_argument("--write-docs", action="store_true", help="write docs/benchmarks.md and its plot")
    return parser.parse_args()


def _ms(value: float | None) -> str:
    return "–" if value is None else f"{value:.0f}" if value >= 100 else f"{value:.1f}"


def _smallest_of_each_format(paths: Sequence[Path]) -> list[Path]:
    by_size = sorted(paths, key=lambda path: path.stat().st_size, reverse=True)
    return list({path.suffix: path for path in by_size}.values())


if __name__ == "__main__":
    sys.exit(main())
