"""The time that is looked at, and the days on which its conversations may have started."""

import math
from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Final

from msgspec import Struct

DAY_SECONDS: Final = 86_400.0


class Window(Struct, frozen=True):
    """From `since` until before `until`, in Unix seconds."""

    since: float
    until: float

    def includes(self, at: float | None) -> bool:
        """Return whether a moment is within; one that is not known is, lest a file be missed for it."""
        return at is None or self.since <= at < self.until

    def days(self) -> Iterator["Window"]:
        """Cut the window at midnight UTC: Genesys answers by the days on which conversations started."""
        since = self.since
        while since < self.until:
            midnight = (math.floor(since / DAY_SECONDS) + 1) * DAY_SECONDS
            yield Window(since, min(midnight, self.until))
            since = midnight

    @property
    def interval(self) -> str:
        """The window as Genesys writes it; a millisecond short, so that it does not touch the next day."""
        return f"{iso(self.since)}/{iso(max(self.since, self.until - 0.001))}"


def iso(at: float) -> str:
    """Write a time in UTC, to the millisecond."""
    return datetime.fromtimestamp(at, UTC).isoformat(timespec="milliseconds").removesuffix("+00:00") + "Z"


def seconds_of(text: object) -> float | None:
    """Read a time of Genesys as Unix seconds, None where it is none."""
    try:
        at = datetime.fromisoformat(str(text))
    except ValueError:
        return None
    return (at if at.tzinfo else at.replace(tzinfo=UTC)).timestamp()
