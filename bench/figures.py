"""From what each contestant told to the figures: means over files, medians over rounds, ratios within a round."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from statistics import fmean, median, quantiles
from typing import Final

from bench.contestants.entry import OURS, TUTORIAL
from bench.contestants.job import Cost
from bench.corpus.mix import Source

Round = Mapping[str, Sequence[Cost]]
"""Each contestant's costs, by its name."""
JUDGED_FORMATS: Final = ("jpeg", "png", "webp", "avif", "pdf")
FORMATS: Final = (*JUDGED_FORMATS, "heic", "gif", "tiff")
MS: Final = 1000.0


class NoPreviewError(Exception):
    """Ours made no preview of a file of the corpus, so its figures mean nothing."""


@dataclass(frozen=True, slots=True)
class Ratio:
    """The median of a ratio over the rounds, and how far they lie apart."""

    median: float
    least: float
    most: float


@dataclass(frozen=True, slots=True)
class Figures:
    """All that the rounds say."""

    rounds: Sequence[Round]
    sources: Sequence[Source]

    @property
    def names(self) -> list[str]:
        """Return the contestants in the order in which they first took part."""
        return list(self.rounds[0])

    @property
    def peers(self) -> list[str]:
        """Return all but ours and the tutorial's way."""
        return [name for name in self.names if name not in (OURS, TUTORIAL)]

    def check(self) -> None:
        """Raise NoPreviewError unless ours made a preview of every file in every round."""
        failed = {cost.name for its in self.rounds for cost in its[OURS] if not cost.output_bytes}
        if failed or any(len(its[OURS]) != len(self.sources) for its in self.rounds):
            raise NoPreviewError(f"no preview of {', '.join(sorted(failed)) or 'some files'}")

    def format_ms(self, name: str, file_format: str) -> float | None:
        """Return the CPU milliseconds a file; None when the contestant does not do this format, or not all of it."""
        each = [_mean_ms(its[name], self._files(file_format)) for its in self.rounds]
        return _median(each)

    def mix_ms(self, name: str) -> float | None:
        """Return the CPU milliseconds a file of the mix."""
        return _median([_mean_ms(its[name], self._mix()) for its in self.rounds])

    def mix_ratio(self) -> Ratio:
        """Return ours ÷ tutorial on the mix."""
        return self._ratio(lambda its: _mean_ms(its[TUTORIAL], self._mix()), self._mix())

    def peer_ratio(self, file_format: str) -> Ratio | None:
        """Return ours ÷ the fastest peer for a format; None when no peer does it."""
        if self.fastest_peer(file_format) is None:
            return None
        files = self._files(file_format)
        return self._ratio(lambda its: _least([_mean_ms(its[name], files) for name in self.peers]), files)

    def fastest_peer(self, file_format: str) -> str | None:
        """Return the peer with the lowest median."""
        times = {name: ms for name in self.peers if (ms := self.format_ms(name, file_format)) is not None}
        return min(times, key=lambda name: times[name]) if times else None

    def parent_ms(self) -> float:
        """Return the parent's own CPU milliseconds a job of the mix."""
        mix = self._mix()
        return median(
            fmean(cost.parent_cpu_seconds for cost in its[OURS] if cost.name in mix) * MS for its in self.rounds
        )

    def output_bytes(self, name: str) -> float | None:
        """Return the mean size of a preview of the mix, over the formats that the contestant does."""
        mix = self._mix()
        sizes = [cost.output_bytes for cost in self.rounds[0][name] if cost.name in mix and cost.output_bytes]
        return fmean(sizes) if sizes else None

    def _files(self, file_format: str) -> frozenset[str]:
        return frozenset(source.name for source in self.sources if source.format == file_format)

    def _mix(self) -> frozenset[str]:
        return frozenset(source.name for source in self.sources if source.in_mix)

    def _ratio(self, other_ms: Callable[[Round], float | None], files: frozenset[str]) -> Ratio:
        """Compare within a round: what disturbs the machine for longer disturbs both."""
        ratios = []
        for its in self.rounds:
            ours, other = _mean_ms(its[OURS], files), other_ms(its)
            if ours is not None and other:
                ratios.append(ours / other)
        return Ratio(median(ratios), min(ratios), max(ratios))


def percentile(values: Sequence[float], percent: int) -> float:
    """Return a percentile of two values or more."""
    return quantiles(values, n=100, method="inclusive")[percent - 1]


def _mean_ms(costs: Sequence[Cost], files: frozenset[str]) -> float | None:
    """Return the mean over these files; None unless there is a preview of each."""
    done = [cost.cpu_seconds for cost in costs if cost.name in files and cost.output_bytes]
    return fmean(done) * MS if files and len(done) == len(files) else None


def _median(values: Sequence[float | None]) -> float | None:
    known = [value for value in values if value is not None]
    return median(known) if len(known) == len(values) else None


def _least(values: Sequence[float | None]) -> float | None:
    return min((value for value in values if value is not None), default=None)
