import json
from collections.abc import Callable
from dataclasses import dataclass, field

import pytest

from stream.bridge.access_log import FLUSH_LINES, Access, AccessLog, Level, Wanted

ACCESS = Access(status=202, path="/p", request_id="r", peer="192.0.2.1", duration_ms=1.25, event_ids=["e"])


@dataclass
class Pages:
    """What is written, and what is to be run soon."""

    written: list[bytes] = field(default_factory=list)
    soon: list[Callable[[], None]] = field(default_factory=list)
    now: float = 1_700_000_000.0


def log(pages: Pages, wanted: Wanted = "all", level: Level = "INFO", format_: str = "json") -> AccessLog:
    return AccessLog(
        wanted=wanted,
        level=level,
        format_="json" if format_ == "json" else "text",
        write=pages.written.append,
        schedule=pages.soon.append,
        clock=lambda: pages.now,
    )


def test_lines_that_come_together_are_written_together_and_in_order() -> None:
    pages = Pages()
    made = log(pages)
    for number in range(3):
        pages.now += 0.25
        made.add(Access(status=200 + number, path="/p", request_id="r", peer="", duration_ms=0))
    assert (pages.written, len(pages.soon)) == ([], 1)
    pages.soon.pop()()
    (written,) = pages.written
    lines = [json.loads(line) for line in written.splitlines()]
    assert [line["status"] for line in lines] == [200, 201, 202]
    assert [line["at"][17:] for line in lines] == ["20.250+00:00", "20.500+00:00", "20.750+00:00"]
    made.flush()
    assert len(pages.written) == 1


def test_many_lines_do_not_wait() -> None:
    pages = Pages()
    made = log(pages)
    for _ in range(FLUSH_LINES):
        made.add(ACCESS)
    assert pages.written[0].count(b"\n") == FLUSH_LINES
    made.add(ACCESS)
    assert len(pages.soon) == 2


def test_as_text_a_line_is_for_people() -> None:
    pages = Pages()
    made = log(pages, format_="text")
    made.add(ACCESS)
    made.flush()
    (line,) = pages.written
    assert line == (
        b'2023-11-14T22:13:20.000+00:00 INFO webhook.answered status=202 path="/p" request_id="r" peer="192.0.2.1" '
        b'duration_ms=1.25 event_ids=["e"]\n'
    )


def test_nothing_that_a_sender_writes_begins_a_line_of_its_own() -> None:
    for format_ in ("json", "text"):
        pages = Pages()
        made = log(pages, format_=format_)
        made.add(Access(status=202, path="/\n", request_id="\r\n", peer="", duration_ms=0, event_ids=['"\n\u2028']))
        made.flush()
        assert pages.written[0].count(b"\n") == 1
        assert b"\r" not in pages.written[0]


@pytest.mark.parametrize(
    ("wanted", "level", "statuses"),
    [
        ("all", "INFO", {200, 202, 401, 499, 503}),
        ("all", "DEBUG", {200, 202, 401, 499, 503}),
        ("refused", "INFO", {401, 499, 503}),
        ("all", "WARNING", {503}),
        ("all", "ERROR", set()),
        ("off", "DEBUG", set()),
    ],
)
def test_what_is_wanted_and_the_level_decide(wanted: Wanted, level: Level, statuses: set[int]) -> None:
    made = log(Pages(), wanted, level)
    assert {status for status in (200, 202, 401, 499, 503) if made.wants(status)} == statuses
