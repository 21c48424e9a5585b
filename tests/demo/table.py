"""The table that the demo prints."""

from stream.messages import DeadLetter, Outcome, StageTimings
from tests.harness.ledger import Ledger

HEAD = ("FILE", "VERDICT", "DOWNLOAD", "RENDER", "STORE", "LINK", "PREVIEW OR REASON", "MESSAGE")
LONGEST_REASON = 88


def table(ledger: Ledger) -> str:
    """Lay out what became of each file: verdict, milliseconds by stage, preview and message."""
    first = {outcome.event_id: outcome for outcome in reversed(ledger.outcomes)}
    rows = [HEAD, *map(_outcome, reversed(first.values())), *map(_dead_letter, ledger.dead_letters)]
    widths = [max(len(row[column]) for row in rows) for column in range(len(HEAD))]
    return "\n".join("  ".join(map(str.ljust, row, widths)).rstrip() for row in rows)


def _outcome(outcome: Outcome) -> tuple[str, ...]:
    said = _without_signature(outcome.preview_url) if outcome.preview_url else _cut(outcome.reason)
    return (outcome.file_name, outcome.verdict, *_timings(outcome.timings), said, outcome.message_id or "-")


def _dead_letter(letter: DeadLetter) -> tuple[str, ...]:
    origin = letter.origin
    name = f"[{origin.topic}:{origin.partition}:{origin.offset}]"
    return (name, f"dead letter: {letter.reason}", *_timings(StageTimings()), _cut(letter.message), "-")


def _timings(timings: StageTimings) -> tuple[str, ...]:
    stages = (timings.download_ms, timings.render_ms, timings.store_ms, timings.link_ms)
    return tuple("-" if stage is None else f"{stage:.0f} ms" for stage in stages)


def _cut(text: str) -> str:
    return text if len(text) <= LONGEST_REASON else f"{text[: LONGEST_REASON - 1]}…"


def _without_signature(url: str) -> str:
    address, _, signature = url.partition("?")
    return f"{address}?…" if signature else address
