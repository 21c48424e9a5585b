"""What a run comes to: the topics say how each event ended, the conversations what was said."""

from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Final, Self

from msgspec import Struct

from stream.messages import DeadLetter, Outcome

WRONG: Final = ("lost", "duplicates", "two_ends", "crashes", "hangs", "bugs", "uncommitted", "outlived")


class Verdict(Struct, frozen=True, kw_only=True):
    """The counts of a run, in the order of the last line; an id counts once, however often it stands in a topic."""

    accepted: int
    outcomes: int
    dead_letters: int
    lost: int
    """Accepted ids without an end, or said to be linked without their message in the conversation."""
    duplicates: int
    """Messages that were more than needed, outside of the times in which a worker was frozen."""
    duplicates_in_stop_windows: int
    kills: int
    """SIGKILLs of workers and bridges."""
    ambiguous: int
    suppressed: int
    seed: int
    two_ends: int
    """Ids with ends that differ in outcome, verdict or reason; copies of one end are not meant."""
    copies: int
    """Outcomes and dead letters beyond the first of their id."""
    late: int
    crashes: int
    hangs: int
    bugs: int
    uncommitted: int
    outlived: int
    """1 when previews are still stored though the time of all has passed."""
    mishaps: int
    stop_window_seconds: float
    seconds: float

    def wrongs(self) -> dict[str, int]:
        """Return what breaks a promise; a run that sent nothing proves nothing, and is wrong too."""
        wrongs: dict[str, int] = {name: getattr(self, name) for name in WRONG if getattr(self, name)}
        return wrongs if self.accepted else {**wrongs, "accepted": 0}


@dataclass(frozen=True)
class Ends:
    """How events ended, by id: (outcome, verdict) or (dead letter, reason), and the message that was said."""

    ends: dict[str, set[tuple[str, str]]]
    messages: dict[str, str]
    records: int

    @classmethod
    def of(cls, accepted: set[str], outcomes: Iterable[Outcome], letters: Iterable[DeadLetter]) -> Self:
        """Sort the records of the accepted ids."""
        ends: defaultdict[str, set[tuple[str, str]]] = defaultdict(set)
        messages: dict[str, str] = {}
        records = 0
        for outcome in outcomes:
            if outcome.event_id in accepted:
                records += 1
                ends[outcome.event_id].add((outcome.outcome, outcome.verdict))
                if outcome.outcome == "linked":
                    messages[outcome.event_id] = outcome.message_id or ""
        for letter in letters:
            if letter.event_id in accepted:
                records += 1
                ends[letter.event_id].add((DEAD, letter.reason))
        return cls(dict(ends), messages, records)

    @property
    def dead(self) -> set[str]:
        """The ids whose only ends are dead letters."""
        return {event_id for event_id, ends in self.ends.items() if {kind for kind, _ in ends} == {DEAD}}

    @property
    def twofold(self) -> dict[str, set[tuple[str, str]]]:
        """The ids that ended in more than one way."""
        return {event_id: ends for event_id, ends in self.ends.items() if len(ends) > 1}

    def lost(self, accepted: set[str], said: set[str]) -> set[str]:
        """Return the accepted ids that did not end, or whose message is in no conversation."""
        unsaid = {event_id for event_id, message_id in self.messages.items() if message_id not in said}
        return (accepted - self.ends.keys()) | unsaid


DEAD: Final = "dead letter"
