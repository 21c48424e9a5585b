"""The last line of a run."""

from collections import Counter
from typing import Final, Self

from msgspec import Struct

from tests.system.lifecycle.history import History
from tests.system.lifecycle.judge import Judge

WRONG: Final = (
    *("early", "late", "leaked", "twice", "thawed", "lost", "held_gone", "untold", "unanswered", "wrongly_answered"),
    *("posted_after_erase", "not_refused", "crashes", "hangs", "bugs", "uncommitted"),
)
NEEDED: Final = ("previews", "expired", "held", "erased", "kept", "extended", "kills")
"""A run in which one of these did not happen proves nothing."""


class Verdict(Struct, frozen=True, kw_only=True):
    """The counts of a run, in the order of the last line."""

    previews: int
    """Objects that a record of [previews] names, further sizes among them."""
    expired: int
    """Objects that are told to have expired."""
    early: int
    late: int
    leaked: int
    held: int
    """Conversations."""
    erased: int
    """Conversations."""
    twice: int
    copies: int
    thawed: int
    lost: int
    held_gone: int
    untold: int
    unanswered: int
    wrongly_answered: int
    posted_after_erase: int
    posted_in_freezes: int
    not_refused: int
    kept: int
    """Objects that are there in the end, because their conversations are held."""
    extended: int
    unrecorded: int
    lateness_p50_seconds: float
    lateness_p99_seconds: float
    lateness_max_seconds: float
    excused: int
    """Objects that were due when perhaps nobody worked on their partition for two sweeps; in no other lateness."""
    excused_max_seconds: float
    listings: int
    listing_widest_seconds: float
    kills: int
    stops: int
    freezes: int
    rebalances: int
    ttl_changes: int
    crashes: int
    hangs: int
    bugs: int
    uncommitted: int
    seed: int
    seconds: float

    @classmethod
    def of(cls, history: History, judge: Judge, kinds: Counter[str], **others: float) -> Self:
        """Count; `kinds` are those of the violations."""
        exposed, excused = judge.exposed(), judge.excused()
        counts: dict[str, float] = {
            "previews": len(history.stored_by_key),
            "expired": len({one.key for one in history.told if one.state == "expired"}),
            "held": len(judge.held()),
            "erased": len(judge.erased()),
            "copies": judge.copies(),
            "thawed": judge.thawed(),
            "posted_in_freezes": judge.posted_in_freezes(),
            "kept": judge.kept(),
            "extended": judge.extended(),
            "unrecorded": judge.unrecorded,
            "lateness_p50_seconds": _share(exposed, 0.5),
            "lateness_p99_seconds": _share(exposed, 0.99),
            "lateness_max_seconds": _share(exposed, 1.0),
            "excused": len(excused),
            "excused_max_seconds": _share(excused, 1.0),
            "listings": history.sightings.count,
            "listing_widest_seconds": round(history.sightings.widest_seconds, 2),
        }
        wrongs = {name: kinds[name] for name in WRONG if name not in counts | others}
        return cls(**counts, **wrongs, **others)  # type: ignore[arg-type]

    def wrongs(self) -> dict[str, int]:
        """Return what breaks a promise, and what did not happen though the run was to show it."""
        broken: dict[str, int] = {name: getattr(self, name) for name in WRONG if getattr(self, name)}
        return broken | {name: 0 for name in NEEDED if not getattr(self, name)}


def _share(values: list[float], share: float) -> float:
    """Return the value that so large a share of sorted values does not exceed."""
    return round(values[max(0, min(len(values) - 1, int(len(values) * share)))], 2) if values else 0.0
