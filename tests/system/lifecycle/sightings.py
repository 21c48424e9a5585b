"""What the bucket was seen to hold, listing after listing; pure."""

from bisect import bisect_left
from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass
from typing import NamedTuple


class Listing(NamedTuple):
    """From when to when the bucket was listed, in Unix seconds; an object was seen, or not, some time between."""

    began: float
    ended: float


@dataclass(frozen=True)
class Presence:
    """One time in which an object was there without a break, as far as listings tell, in Unix seconds."""

    key: str
    seen_from: float
    seen_until: float
    """It was certainly there then, and perhaps until `gone_by`."""
    gone_by: float | None
    """None while it is there."""


class Sightings:
    """Listings in their order, and in which of them each object was."""

    def __init__(self) -> None:
        self._listings: list[Listing] = []
        self._spans: defaultdict[str, list[list[int]]] = defaultdict(list)  # first and last listing of each presence

    def note(self, began: float, ended: float, keys: Iterable[str]) -> None:
        """Take one complete listing."""
        number = len(self._listings)
        self._listings.append(Listing(began, ended))
        for key in keys:
            spans = self._spans[key]
            if spans and spans[-1][1] == number - 1:
                spans[-1][1] = number
            else:
                spans.append([number, number])

    @property
    def count(self) -> int:
        """How often the bucket was listed."""
        return len(self._listings)

    @property
    def widest_seconds(self) -> float:
        """The longest time from the beginning of one listing to the end of the next."""
        pairs = zip(self._listings, self._listings[1:], strict=False)
        return max((later.ended - one.began for one, later in pairs), default=0.0)

    def now(self) -> set[str]:
        """Return the keys of the last listing."""
        last = len(self._listings) - 1
        return {key for key, spans in list(self._spans.items()) if spans[-1][1] == last}

    def keys(self) -> set[str]:
        """Return all keys ever seen."""
        return set(self._spans)

    def presences(self, key: str) -> list[Presence]:
        """Return when an object was there."""
        return [self._presence(key, first, last) for first, last in self._spans.get(key, ())]

    def missing(self, key: str, after: float, before: float) -> float | None:
        """Return when a listing that lies wholly between two times first failed to show an object, if one did."""
        number = bisect_left(self._listings, (after,))
        for listing in self._listings[number:]:
            if listing.ended > before:
                return None
            if not self._shows(number, key):
                return listing.began
            number += 1
        return None

    def _shows(self, number: int, key: str) -> bool:
        return any(first <= number <= last for first, last in self._spans.get(key, ()))

    def _presence(self, key: str, first: int, last: int) -> Presence:
        gone_by = self._listings[last + 1].ended if last + 1 < len(self._listings) else None
        return Presence(key, self._listings[first].began, self._listings[last].began, gone_by)
