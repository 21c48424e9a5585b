import io

import pytest
from hypothesis import given
from hypothesis import strategies as st

from stream.console import Console, columns, shown, visible


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


def console(answers: io.StringIO) -> Console:
    return Console(io.StringIO(), io.BytesIO(), io.StringIO(), answers)


@pytest.mark.parametrize(
    ("answer", "confirmed"), [("y\n", True), (" YES \n", True), ("\n", False), ("no\n", False), ("", False)]
)
def test_only_a_plain_yes_confirms(answer: str, confirmed: bool) -> None:  # noqa: FBT001
    assert console(Terminal(answer)).confirm("Replay 2 records?") is confirmed


def test_without_a_terminal_nobody_confirms() -> None:
    asked = console(io.StringIO("y\n"))
    assert not asked.confirm("Replay 2 records?")
    assert isinstance(asked.errors, io.StringIO)
    assert "--yes" in asked.errors.getvalue()


@given(st.text())
def test_text_of_strangers_cannot_steer_the_terminal(text: str) -> None:
    assert visible(text).isprintable() or not text


@given(st.binary())
def test_bytes_of_strangers_cannot_steer_the_terminal(data: bytes) -> None:
    assert all(line.isprintable() for line in shown(data).split("\n"))


def test_bytes_that_are_no_text_are_rows_of_digits() -> None:
    assert shown(b"\xff\x00abc") == f"{'ff 00 61 62 63':<48} ..abc"
    assert len(shown(bytes(range(256))).splitlines()) == 16
    assert shown("grün 😀".encode()) == "grün 😀"


def test_columns_are_aligned_and_lines_end_where_their_text_ends() -> None:
    assert columns([("A", "LONG", "C"), ("first", "x", "")]) == "A      LONG  C\nfirst  x"
