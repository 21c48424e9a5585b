"""The terminal of the person who runs a command, and how text and bytes of strangers are shown on it."""

import sys
from collections.abc import Sequence
from dataclasses import dataclass
from string import printable as ASCII_PRINTABLE  # noqa: N812 - a constant of the standard library
from typing import BinaryIO, Final, Self, TextIO

HEX_ROW_BYTES: Final = 16
VISIBLE: Final = frozenset(ASCII_PRINTABLE.encode()) - frozenset(b"\t\n\r\x0b\x0c")


@dataclass(frozen=True, slots=True)
class Console:
    """Where a command writes, complains and asks."""

    out: TextIO
    raw: BinaryIO
    errors: TextIO
    answers: TextIO

    @classmethod
    def of_process(cls) -> Self:
        """Return the process's own."""
        return cls(sys.stdout, sys.stdout.buffer, sys.stderr, sys.stdin)

    def say(self, text: str) -> None:
        """Write a line of the command's result."""
        self.out.write(f"{text}\n")

    def complain(self, text: str) -> None:
        """Write a line about what is wrong, apart from the result."""
        self.errors.write(f"{text}\n")

    def progress(self, text: str) -> None:
        """Tell how far a command is, on one line that is written again and again; only at a terminal."""
        if self.errors.isatty():
            self.errors.write(f"\r\x1b[2K{text}")
            self.errors.flush()

    def confirm(self, question: str) -> bool:
        """Ask; only a plain yes at a terminal counts."""
        if not self.answers.isatty():
            self.complain(f"{question}: nobody is at the terminal to say yes; --yes says so beforehand")
            return False
        self.errors.write(f"{question} [y/N] ")
        self.errors.flush()
        return self.answers.readline().strip().lower() in {"y", "yes"}


def columns(rows: Sequence[Sequence[str]]) -> str:
    """Lay out rows, all of one length, as aligned columns."""
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    return "\n".join("  ".join(map(str.ljust, row, widths)).rstrip() for row in rows)


def visible(text: str) -> str:
    """Return text with what could steer a terminal spelled out."""
    return "".join(character if character.isprintable() else ascii(character)[1:-1] for character in text)


def shown(data: bytes) -> str:
    """Return bytes as text where they are text, otherwise as rows of hexadecimal digits."""
    try:
        return visible(data.decode())
    except UnicodeDecodeError:
        return "\n".join(map(_hex_row, (data[at : at + HEX_ROW_BYTES] for at in range(0, len(data), HEX_ROW_BYTES))))


def _hex_row(row: bytes) -> str:
    return f"{row.hex(' '):<{3 * HEX_ROW_BYTES}} {''.join(chr(byte) if byte in VISIBLE else '.' for byte in row)}"
