"""What a contestant is asked and what it answers: one line of JSON on standard output."""

import argparse
import json
from collections.abc import Iterable
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Final

EDGE_PX: Final = 300
QUALITY: Final = 85


@dataclass(frozen=True, slots=True, kw_only=True)
class Cost:
    """What one file cost; of processes that take many files at once, its share."""

    name: str
    cpu_seconds: float
    wall_seconds: float = 0.0
    parent_cpu_seconds: float = 0.0
    output_bytes: int = 0
    """0 when there is no preview."""
    verdict: str = ""


@dataclass(frozen=True, slots=True)
class Job:
    """Files to make previews of, and where to put these; `warm` files come first and are not counted."""

    files: list[Path]
    warm: list[Path]
    out: Path
    effort: int


def given() -> Job:
    """Read the job from the command line."""
    parser = argparse.ArgumentParser()
    parser.add_argument("list", type=Path, help="a file with a path on each line")
    parser.add_argument("--warm", type=Path, required=True, help="the same, of files that are not counted")
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--effort", type=int, default=4, help="of the WebP encoder")
    options = parser.parse_args()
    return Job(paths(options.list), paths(options.warm), options.out, options.effort)


def paths(listing: Path) -> list[Path]:
    """Read a list of paths."""
    return [Path(line) for line in listing.read_text().splitlines()]


def answer(costs: Iterable[Cost]) -> None:
    """Tell what each file cost."""
    print(json.dumps([asdict(cost) for cost in costs]))
