"""Previews a second: python -m bench.pipeline [--quick] [--write-docs]

Ours and the tutorial's way bring the same files through against the same local server, round after round in turn. The
last line is one JSON object.
"""

import argparse
import json
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from statistics import median
from typing import Final
from urllib.request import urlopen

from bench.corpus.mix import QUICK, Corpus, Shares, corpus
from bench.pages import Noise, load_average, machine, table, write_section
from bench.pipeline.task import Pace
from tools.command import say

OURS: Final = "ours"
TUTORIAL: Final = "tutorial"
LATENCIES: Final[Mapping[str, Sequence[str]]] = {
    "no latency": (),
    "40 ms GET, 20 ms PUT, 80 ms POST": ("--get-ms", "40", "--storage-ms", "20", "--genesys-ms", "80"),
}
LONGEST_SECONDS: Final = 900


class MiscountError(Exception):
    """The server has not seen as many previews as were brought through."""


@dataclass(frozen=True, slots=True)
class Comparison:
    """The rounds of one latency."""

    rounds: Sequence[Mapping[str, Pace]]

    @property
    def ratios(self) -> list[float]:
        """Return ours ÷ tutorial of each round: what disturbs the machine for longer disturbs both."""
        return [its[OURS].per_second / its[TUTORIAL].per_second for its in self.rounds]

    def per_second(self, name: str) -> float:
        """Return the median of the previews a second."""
        return median(its[name].per_second for its in self.rounds)

    def cpu_ms(self, name: str) -> float:
        """Return the median of the CPU milliseconds a preview, children included."""
        return median(its[name].cpu_seconds / its[name].previews * 1000 for its in self.rounds)

    def parent_ms(self) -> float:
        """Return the median of our parent's CPU milliseconds a preview."""
        return median(its[OURS].parent_cpu_seconds / its[OURS].previews * 1000 for its in self.rounds)


@contextmanager
def server(folder: Path, latencies: Sequence[str]) -> Iterator[dict[str, int]]:
    """Run the world around the pipeline; gives its ports."""
    command = [sys.executable, "-m", "bench.pipeline.server", str(folder), *latencies]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        try:
            assert process.stdout is not None
            yield json.loads(process.stdout.readline())
        finally:
            process.terminate()


def paced(name: str, files: Corpus, times: int, latencies: Sequence[str]) -> Pace:
    """Let one way bring the mix through so many times, and count at the server what came of it."""
    names = [source.name for source in files.in_mix] * times
    warm = [source.name for source in sorted(files.in_mix, key=lambda each: files.path(each).stat().st_size)[:6]]
    with tempfile.TemporaryDirectory() as folder, server(files.folder, latencies) as ports:
        lists = [Path(folder) / "names", Path(folder) / "warm"]
        for path, lines in zip(lists, (names, warm), strict=True):
            path.write_text("\n".join(lines))
        command = [
            sys.executable,
            "-m",
            f"bench.pipeline.{name}",
            *map(str, ports.values()),
            str(lists[0]),
            "--warm",
            str(lists[1]),
        ]
        printed = subprocess.run(command, check=True, stdout=subprocess.PIPE, timeout=LONGEST_SECONDS).stdout
        with urlopen(f"http://127.0.0.1:{ports['port']}/count") as answer:
            counted = json.load(answer)
    if counted != {"posts": len(names) + len(warm), "objects": len(names) + len(warm)}:
        raise MiscountError(f"{name}: {counted} of {len(names) + len(warm)}")
    return Pace(**json.loads(printed))


def comparison(files: Corpus, rounds: int, latencies: Sequence[str]) -> Comparison:
    """Measure in turn; ours has the files three times, so that its start and its end weigh as little."""
    measured = []
    for number in range(rounds):
        turn = [(OURS, 3), (TUTORIAL, 1)]
        measured.append(
            {name: paced(name, files, times, latencies) for name, times in turn[:: -1 if number % 2 else 1]}
        )
        say(f"round {number + 1} of {rounds}")
    return Comparison(measured)


def pace_table(compared: Mapping[str, Comparison]) -> str:
    """Return previews a second and CPU milliseconds a preview."""
    rows = [
        [
            name,
            f"{its.per_second(OURS):.1f}",
            f"{its.per_second(TUTORIAL):.1f}",
            f"{median(its.ratios):.1f} ({min(its.ratios):.1f}–{max(its.ratios):.1f})",
            f"{its.cpu_ms(OURS):.0f} ({its.parent_ms():.1f} of it the parent's)",
            f"{its.cpu_ms(TUTORIAL):.0f}",
        ]
        for name, its in compared.items()
    ]
    return table(["previews a second", "ours", "tutorial", "ratio", "ours: CPU ms each", "tutorial: CPU ms each"], rows)


def main() -> int:
    given = _options()
    files = corpus(given.seed, QUICK if given.quick else Shares())
    rounds = given.rounds or (1 if given.quick else 5)
    before = load_average()
    compared = {name: comparison(files, rounds, latencies) for name, latencies in LATENCIES.items()}
    noise = Noise(before, load_average())
    quick, slow = compared.values()
    notes = [
        f"{len(files.in_mix)} files; {files.origin}.",
        f"{rounds} rounds in turn, medians; in brackets the least and the most of a round.",
        f"{machine()}; {noise}. The server runs on the same cores.",
    ]
    if given.write_docs:
        write_section("pipeline", "\n\n".join([pace_table(compared), "\n".join(f"- {note}" for note in notes)]))
    print(pace_table(compared), *notes, sep="\n")
    told = {
        "throughput_ratio_vs_tutorial": round(median(quick.ratios), 2),
        "throughput_ratio_vs_tutorial_latency": round(median(slow.ratios), 2),
        "ours_per_second": round(quick.per_second(OURS), 1),
        "tutorial_per_second": round(quick.per_second(TUTORIAL), 1),
    }
    print(json.dumps(told))
    return 0


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--quick", action="store_true", help="few files, one round: does it run at all?")
    parser.add_argument("--rounds", type=int, default=0, help="5 unless quick")
    parser.add_argument("--seed", type=int, default=1, help="another seed makes another corpus")
    parser.add_argument("--write-docs", action="store_true", help="write docs/benchmarks.md")
    return parser.parse_args()


if __name__ == "__main__":
    sys.exit(main())
