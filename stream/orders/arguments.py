"""What `python -m stream erase`, `hold` and `release` may be told."""

import argparse
from argparse import ArgumentParser
from collections.abc import Callable, Mapping
from typing import Final

from stream.arguments import positive

ERASE: Final = "erase"
SUMMARIES: Final[Mapping[str, str]] = {
    ERASE: "delete all previews of conversations now, and let nothing of them be previewed or posted any more",
    "hold": "keep all previews of conversations past their time, until they are released",
    "release": "end the hold of conversations: what is past its time expires then",
}
WAIT_SECONDS: Final = 60.0
EXIT_CODES: Final = (
    "Exit codes: 0 all was carried out, or with --no-wait ordered; 1 an order was refused, became a dead letter or was "
    "not answered in time, or nobody said yes, or Kafka cannot be reached; 2 a wrong setting or argument."
)
# As the messages have it, see stream/messages.py.
IDENTIFIER_CHARACTERS: Final = 256
NOTE_CHARACTERS: Final = 1024


def add_arguments(command: ArgumentParser, name: str) -> None:
    """Declare the arguments of one of the commands, and what the exit codes tell."""
    command.epilog = EXIT_CODES
    command.set_defaults(order=name, yes=True, dead_letters=False)
    command.add_argument(
        "conversations",
        nargs="+",
        type=_text("conversation id", 1, IDENTIFIER_CHARACTERS),
        metavar="CONVERSATION",
        help="conversation id",
    )
    command.add_argument(
        "--by",
        type=_text("name", 0, IDENTIFIER_CHARACTERS),
        metavar="NAME",
        help="who orders it, for the audit (default: the login name)",
    )
    command.add_argument(
        "--note",
        type=_text("note", 0, NOTE_CHARACTERS),
        default="",
        metavar="TEXT",
        help="why it is ordered, for the audit",
    )
    command.add_argument("--json", action="store_true", help="print a line of JSON for each conversation")
    command.add_argument(
        "--wait-seconds",
        type=positive,
        default=WAIT_SECONDS,
        help="how long to wait for answers (default: %(default)g)",
    )
    group = command.add_mutually_exclusive_group()
    group.add_argument("--no-wait", action="store_true", help="wait for Kafka's acknowledgement only")
    if name == ERASE:
        group.add_argument(
            "--dead-letters",
            action="store_true",
            help="afterwards also remove the dead letters of what was erased, for good",
        )
        command.add_argument("--yes", action="store_true", default=False, help="do not ask before erasing")


def _text(what: str, least: int, most: int) -> Callable[[str], str]:
    def read(text: str) -> str:
        if any("\ud800" <= character <= "\udfff" for character in text):  # how Python keeps other bytes
            raise argparse.ArgumentTypeError(f"the {what} is no UTF-8")
        if not least <= len(text) <= most:
            raise argparse.ArgumentTypeError(f"a {what} has {least} to {most} characters, not {len(text)}")
        return text

    return read
