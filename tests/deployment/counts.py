"""What a part of `make check-deploy` has looked at, and what it found wrong."""

from dataclasses import dataclass


@dataclass(frozen=True)
class Counts:
    """One part's figures; `+` adds those of two parts.

    Attributes:
        manifests: Manifests and files that were validated.
        invalid: Those of them that were not valid.
        expressions: Expressions of dashboards and rules that were asked of a Prometheus.
        empty: Those of them that answered nothing.
        faults: A line for everything found wrong, also what is no manifest and no expression.
    """

    manifests: int = 0
    invalid: int = 0
    expressions: int = 0
    empty: int = 0
    faults: tuple[str, ...] = ()

    def __add__(self, other: "Counts") -> "Counts":
        return Counts(
            self.manifests + other.manifests,
            self.invalid + other.invalid,
            self.expressions + other.expressions,
            self.empty + other.empty,
            self.faults + other.faults,
        )

    @property
    def passed(self) -> bool:
        """Whether nothing was found wrong."""
        return not (self.invalid or self.empty or self.faults)
