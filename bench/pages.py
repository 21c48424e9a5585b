"""Writes what was measured into docs/: tables between two marks of a page, and a plot as SVG."""

import os
import platform
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final
from xml.sax.saxutils import escape

DOCS: Final = Path(__file__).resolve().parent.parent / "docs"
PAGE: Final = DOCS / "benchmarks.md"
COLOURS: Final = ("#1b7f5c", "#8a8f98", "#3b6fb6", "#c98a1b", "#9b59b6", "#b5483a")
LABEL_PX: Final = 60
PLOT_PX: Final = 620
BAR_PX: Final = 13
GAP_PX: Final = 12
HEAD_PX: Final = 50


@dataclass(frozen=True, slots=True)
class Noise:
    """How busy the machine was with other things."""

    before: float
    after: float

    def __str__(self) -> str:
        return f"load average {self.before:.1f} before and {self.after:.1f} after"


def load_average() -> float:
    """Return the load average of the last minute."""
    return os.getloadavg()[0]


def machine() -> str:
    """Name the processor, and how many of its cores may be used."""
    lines = Path("/proc/cpuinfo").read_text().splitlines()
    model = next((line.partition(":")[2].strip() for line in lines if line.startswith("model name")), None)
    cores = len(os.sched_getaffinity(0))
    return f"{model or platform.machine()}, {cores} cores, Linux, Python {platform.python_version()}"


def table(head: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """Return a Markdown table; all columns but the first are figures."""
    lines = [head, ["---", *["---:"] * (len(head) - 1)], *rows]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)


def with_section(page: str, name: str, text: str) -> str:
    """Return the page with what stands between the two marks of a section replaced; a new one is put at the end."""
    begin, end = f"<!-- {name}: generated -->", f"<!-- {name}: end -->"
    section = f"{begin}\n{text.strip()}\n{end}"
    if begin not in page:
        return f"{page.rstrip()}\n\n{section}\n".lstrip()
    before, _, rest = page.partition(begin)
    return before + section + rest.partition(end)[2]


def write_section(name: str, text: str) -> None:
    """Replace a section of docs/benchmarks.md."""
    page = PAGE.read_text() if PAGE.exists() else ""
    PAGE.write_text(with_section(page, name, text))


def bars(title: str, groups: Mapping[str, Mapping[str, float]], names: Sequence[str]) -> str:
    """Return an SVG: for each group the bars of those that are in it, the longest bar as long as the plot is wide."""
    colours = dict(zip(names, COLOURS, strict=False))
    most = max(value for group in groups.values() for value in group.values())
    parts = [_text(LABEL_PX, 18, title, weight="bold"), *_legend(colours)]
    y = HEAD_PX
    for label, group in groups.items():
        parts.append(_text(0, y + len(group) * BAR_PX / 2 + 4, label))
        for name in (name for name in names if name in group):
            width = group[name] / most * PLOT_PX
            parts.append(
                f'<rect x="{LABEL_PX}" y="{y}" width="{width:.1f}" height="{BAR_PX - 2}" fill="{colours[name]}"/>'
            )
            parts.append(_text(LABEL_PX + width + 4, y + BAR_PX - 3, f"{group[name]:.2f}", size=10))
            y += BAR_PX
        y += GAP_PX
    size = f'width="{LABEL_PX + PLOT_PX + 50}" height="{y}" viewBox="0 0 {LABEL_PX + PLOT_PX + 50} {y}"'
    body = "\n".join(parts)
    ground = '<rect width="100%" height="100%" fill="white"/>'
    return f'<svg xmlns="http://www.w3.org/2000/svg" {size} font-family="sans-serif">\n{ground}\n{body}\n</svg>\n'


def _legend(colours: Mapping[str, str]) -> list[str]:
    parts = []
    for number, (name, colour) in enumerate(colours.items()):
        x = LABEL_PX + number * 105
        parts.append(f'<rect x="{x}" y="28" width="10" height="10" fill="{colour}"/>')
        parts.append(_text(x + 14, 37, name, size=11))
    return parts


def _text(x: float, y: float, text: str, *, size: int = 12, weight: str = "normal") -> str:
    return f'<text x="{x:.0f}" y="{y:.0f}" font-size="{size}" font-weight="{weight}">{escape(text)}</text>'
