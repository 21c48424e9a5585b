"""What `python -m stream unfinished` may be told."""

from argparse import ArgumentParser
from typing import Final

from stream.arguments import moment, rate

WAITING_AGE: Final = "4h"  # as RETRY_MAX_AGE_SECONDS comes: what is older does not wait for its next try
RATE: Final = 5.0
EXIT_CODES: Final = (
    "Exit codes: 0 none is left, or all were sent; 1 some are left, or Kafka cannot be reached; 2 a wrong setting or "
    "argument."
)


def add_arguments(command: ArgumentParser) -> None:
    """Declare the arguments, and what the exit codes tell."""
    command.epilog = EXIT_CODES
    command.add_argument(
        "--until",
        "--older-than",
        type=moment,
        default=WAITING_AGE,
        metavar="AGE|TIME",
        help="only events that came before: 90s, 15m, 2h, 7d or an ISO 8601 time (default: %(default)s, after which "
        "an event does not wait for its next try)",
    )
    command.add_argument(
        "--again", action="store_true", help="send these events again; each conversation is looked at before a post"
    )
    command.add_argument(
        "--expiries",
        action="store_true",
        help="also order anew that every stored preview is deleted when its time comes, after the due table was lost",
    )
    command.add_argument(
        "--orders",
        action="store_true",
        help="also give the orders to erase or hold a conversation again that stand by [results], after the table of "
        "conversations was lost",
    )
    command.add_argument("--yes", action="store_true", help="do not ask before sending")
    command.add_argument("--json", action="store_true", help="print a line of JSON for each event, and the sums")
    command.add_argument(
        "--rate", type=rate, default=RATE, help="records a second, 0 for no limit (default: %(default)g)"
    )
