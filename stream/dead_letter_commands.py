"""`python -m stream dead-letters list|show|replay`: what is printed and what is asked."""

import base64
from argparse import Namespace
from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Final

import msgspec

from stream.console import Console, columns, shown, visible
from stream.dead_letters import Filed, ReplayFailure, Selection, by_reason, read, replay, replayable
from stream.headers import format_origin
from stream.messages import DeadLetter
from stream.settings import KafkaSettings
from stream.topics import Topics

OK: Final = 0
FAILED: Final = 1
ASK_ABOVE: Final = 1
MESSAGE_CHARACTERS: Final = 70
HEADINGS: Final = ("LAST", "REASON", "STAGE", "ATTEMPT", "REPLAYS", "EVENT ID", "POSITION", "MESSAGE")


def list_letters(settings: KafkaSettings, options: Namespace, console: Console) -> int:
    """Print a line for each dead letter that is meant, and how many there are of each reason."""
    found = read(settings, selection(options))
    if options.json:
        for filed in found:
            console.say(json_line(filed))
        return OK
    if found:
        console.say(f"{table(found)}\n")
    counts = ", ".join(f"{count} {reason}" for reason, count in by_reason(found))
    console.say(f"dead letters: {len(found)}" + (f" ({counts})" if counts else ""))
    return OK


def show(settings: KafkaSettings, options: Namespace, console: Console) -> int:
    """Print all that is known of a dead letter, the newest first where an event has several."""
    found = read(settings, selection(options))[::-1]
    if not found:
        console.complain(f"no dead letter is {visible(options.which)}")
        return FAILED
    if options.raw:
        console.raw.write(found[0].letter.payload if found[0].letter else found[0].value)
        return OK
    for filed in found:
        console.say(json_line(filed) if options.json else f"{details(filed)}\n")
    return OK


def replay_letters(settings: KafkaSettings, options: Namespace, console: Console) -> int:
    """Send dead letters back to where they came from, after asking where there are many."""
    chosen = selection(options)
    if chosen == Selection() and not options.all:
        console.complain("say which: an event id, a position, a filter, or --all")
        return FAILED
    found = read(settings, chosen)
    ready, refused = replayable(found, Topics.of(settings))
    _complain(refused, console)
    if not ready:
        console.say(f"replayed 0 of {len(found)}")
        return FAILED
    if options.dry_run:
        console.say(f"{table(ready)}\n\nwould replay {len(ready)} of {len(found)}")
        return FAILED if refused else OK
    if len(ready) > ASK_ABOVE and not options.yes and not console.confirm(f"Replay {len(ready)} records?"):
        console.say("nothing replayed")
        return FAILED
    failed = replay(settings, ready)
    _complain(failed, console)
    console.say(f"replayed {len(ready) - len(failed)} of {len(found)}")
    return FAILED if refused or failed else OK


def selection(options: Namespace) -> Selection:
    """Return which dead letters the arguments mean."""
    names = ("which", "reason", "stage", "since")
    return Selection(**{name: getattr(options, name, None) for name in names})


def table(found: Sequence[Filed]) -> str:
    """Lay out dead letters, a line each."""
    return columns([HEADINGS, *map(_row, found)])


def details(filed: Filed) -> str:
    """Lay out one dead letter: what is known of it, its record's headers, and the original bytes."""
    letter = filed.letter
    if letter is None:
        return f"{format_origin(filed.position)} is {visible(filed.problem)}\n{shown(filed.value)}"
    facts = [*_facts(filed, letter), *((f"header {name}", shown(value)) for name, value in letter.headers.items())]
    lines = columns([(f"{visible(name)}:", visible(value)) for name, value in facts])
    return f"{lines}\npayload, {len(letter.payload)} bytes:\n{shown(letter.payload)}"


def json_line(filed: Filed) -> str:
    """Return a dead letter as one line of JSON; bytes are base64."""
    line = {"position": format_origin(filed.position), "problem": filed.problem, "letter": filed.letter}
    raw = {} if filed.letter else {"value": base64.b64encode(filed.value).decode()}
    return msgspec.json.encode(line | raw).decode()


def _complain(failures: Sequence[ReplayFailure], console: Console) -> None:
    for failure in failures:
        console.complain(f"{format_origin(failure.filed.position)} not replayed: {visible(failure.problem)}")


def _row(filed: Filed) -> tuple[str, ...]:
    letter, position = filed.letter, format_origin(filed.position)
    if letter is None:
        return ("", "", "", "", "", "", position, visible(filed.problem)[:MESSAGE_CHARACTERS])
    counts = (str(letter.attempt), str(letter.replays))
    *cells, message = map(visible, (letter.reason, letter.stage, *counts, letter.event_id, position, letter.message))
    return (_time(letter.last_at), *cells, message[:MESSAGE_CHARACTERS])


def _facts(filed: Filed, letter: DeadLetter) -> list[tuple[str, str]]:
    return [
        ("position", format_origin(filed.position)),
        ("event id", letter.event_id),
        ("reason", letter.reason),
        ("stage", letter.stage),
        ("message", letter.message),
        ("origin", format_origin(letter.origin)),
        ("attempt", str(letter.attempt)),
        ("replays", str(letter.replays)),
        ("first", _time(letter.first_at)),
        ("last", _time(letter.last_at)),
        ("key", shown(letter.key) if letter.key is not None else "none"),
    ]


def _time(seconds: float) -> str:
    try:
        return datetime.fromtimestamp(seconds, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
    except (OverflowError, ValueError, OSError):
        return f"{seconds:g}"  # anyone may write a dead letter
