"""`python -m stream dead-letters list|show|replay|purge`: what is printed and what is asked."""

import base64
from argparse import Namespace
from collections.abc import Iterable, Sequence
from datetime import UTC, datetime
from typing import Final, Literal

import msgspec

from stream.console import Console, columns, shown, visible
from stream.dead_letters.letters import Contents, Filed, Meant, Selection, by_reason, read, read_all
from stream.dead_letters.purge import Plan, is_compacted, plan, purge
from stream.dead_letters.replay import MAX_REPLAYS, Problem, replay, replayable
from stream.messages import DeadLetter
from stream.orders.erased import erased_conversations
from stream.records.headers import format_origin
from stream.settings import KafkaSettings
from stream.topics import PURGED_SECONDS, Topics

OK: Final = 0
LEFT: Final = 1
WRONG_USAGE: Final = 2
NOTHING: Final = 3
ASK_ABOVE: Final = 1
MESSAGE_CHARACTERS: Final = 70
HEADINGS: Final = ("LAST", "REASON", "STAGE", "ATTEMPT", "REPLAYS", "EVENT ID", "POSITION", "MESSAGE")


def list_letters(settings: KafkaSettings, options: Namespace, console: Console) -> int:
    """Print a line for each dead letter that is meant, and how many there are of each reason."""
    found = read(settings, selection(options))
    if options.json:
        for filed in found:
            console.say(json_line(filed))
        return OK if found else NOTHING
    if found:
        console.say(f"{table(found)}\n")
    counts = ", ".join(f"{count} {reason}" for reason, count in by_reason(found))
    console.say(f"dead letters: {len(found)}" + (f" ({counts})" if counts else ""))
    return OK if found else NOTHING


def show(settings: KafkaSettings, options: Namespace, console: Console) -> int:
    """Print all that is known of a dead letter, the newest first where an event has several."""
    found = read(settings, selection(options))[::-1]
    if not found:
        console.complain(f"no dead letter is {visible(options.which)}")
        return NOTHING
    if options.raw:
        console.raw.write(found[0].letter.payload if found[0].letter else found[0].value)
        return OK
    for filed in found:
        console.say(json_line(filed) if options.json else f"{details(filed)}\n")
    return OK


def replay_letters(settings: KafkaSettings, options: Namespace, console: Console) -> int:
    """Send dead letters back to where they came from, after asking where there are many."""
    chosen = selection(options)
    if not _is_said_which(chosen, options, console):
        return WRONG_USAGE
    found = read(settings, chosen)
    erased = erased_conversations(settings, console) if found else frozenset[str]()
    ready, refused = replayable(found, Topics.of(settings), None if options.force else MAX_REPLAYS, erased)
    account = Account(console, "replay", as_json=options.json)
    account.problems(refused, "refused")
    if options.dry_run:
        account.would(ready, len(found))
        return _code(found, refused)
    asks = len(ready) > ASK_ABOVE and not options.yes
    if asks and not console.confirm(f"Replay {len(ready)} records?"):
        console.complain("nothing replayed")
        return LEFT

    def progress(sent: int) -> None:
        console.progress(f"sent {sent} of {len(ready)}")

    failed = replay(settings, ready, rate=options.rate or None, progress=progress) if ready else []
    console.progress("")
    account.problems(failed, "failed")
    account.done(ready, failed, len(found))
    return _code(found, [*refused, *failed])


def purge_letters(settings: KafkaSettings, options: Namespace, console: Console) -> int:
    """Remove dead letters for good, after asking."""
    chosen = selection(options)
    if not _is_said_which(chosen, options, console):
        return WRONG_USAGE
    return purge_meant(settings, chosen, options, console)


def purge_meant(settings: KafkaSettings, meant: Meant, options: Namespace, console: Console) -> int:
    """Remove the dead letters that are meant, after asking; `options` has `dry_run`, `yes` and `json`."""
    found: Contents = read_all(settings, meant)
    wanted: Plan = plan(found, is_compacted=is_compacted(settings))
    ready = [*wanted.cut, *wanted.buried]
    account = Account(console, "purge", as_json=options.json)
    account.problems(wanted.kept, "refused")
    if options.dry_run:
        account.would(ready, len(found.meant))
        return _code(found.meant, wanted.kept)
    asks = bool(ready) and not options.yes
    if asks and not console.confirm(f"Remove {len(ready)} dead letters, which nothing brings back?"):
        console.complain("nothing purged")
        return LEFT
    failed = purge(settings, wanted) if ready else []
    account.problems(failed, "failed")
    account.done(ready, failed, len(found.meant))
    if wanted.buried:
        note = f"{len(wanted.buried)} lie in Kafka's files until it compacts: at the next letter after "
        console.complain(f"{note}{PURGED_SECONDS} s")
    return _code(found.meant, [*wanted.kept, *failed])


class Account:
    """Tells what was done with each dead letter: for people the problems and a sum, as JSON a line each and the sum."""

    def __init__(self, console: Console, action: str, *, as_json: bool) -> None:
        self._console = console
        self._action = action
        self._past = {"replay": "replayed", "purge": "purged"}[action]
        self._as_json = as_json
        self._counts = {"refused": 0, "failed": 0}

    def problems(self, problems: Sequence[Problem], result: Literal["refused", "failed"]) -> None:
        """Tell of letters with which nothing was done."""
        self._counts[result] += len(problems)
        for problem in problems:
            if self._as_json:
                self._line(problem.filed, result, problem.text)
            else:
                place = format_origin(problem.filed.position)
                self._console.complain(f"{place} not {self._past}: {visible(problem.text)}")

    def would(self, ready: Sequence[Filed], matched: int) -> None:
        """Tell what a dry run found."""
        if not self._as_json:
            text = f"{table(ready)}\n\n" if ready else ""
            self._console.say(f"{text}would {self._action} {len(ready)} of {matched}")
            return
        for filed in ready:
            self._line(filed, f"would {self._action}")
        self._sum({"matched": matched, f"would_{self._action}": len(ready)})

    def done(self, ready: Sequence[Filed], failed: Sequence[Problem], matched: int) -> None:
        """Tell what was done."""
        missed = {problem.filed.position for problem in failed}
        done = [filed for filed in ready if filed.position not in missed]
        if not self._as_json:
            self._console.say(f"{self._past} {len(done)} of {matched}")
            return
        for filed in done:
            self._line(filed, self._past)
        self._sum({"matched": matched, self._past: len(done)})

    def _line(self, filed: Filed, result: str, problem: str = "") -> None:
        letter = filed.letter
        about = {"eventId": letter.event_id, "reason": letter.reason, "stage": letter.stage} if letter else {}
        line = {"position": format_origin(filed.position), **about, "result": result}
        self._console.say(msgspec.json.encode(line | ({"problem": problem} if problem else {})).decode())

    def _sum(self, counts: dict[str, int]) -> None:
        self._console.say(msgspec.json.encode(counts | self._counts).decode())


def selection(options: Namespace) -> Selection:
    """Return which dead letters the arguments mean."""
    return Selection(**{name: getattr(options, name, None) for name in Selection.__struct_fields__})


def _is_said_which(chosen: Selection, options: Namespace, console: Console) -> bool:
    if chosen == Selection() and not options.all:
        console.complain("say which: an event id, a position, a filter, or --all")
        return False
    return True


def _code(found: Iterable[Filed], left: Sequence[Problem]) -> int:
    if not list(found):
        return NOTHING
    return LEFT if left else OK


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
