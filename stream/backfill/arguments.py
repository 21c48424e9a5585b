"""What `python -m stream backfill` may be told."""

from argparse import ArgumentParser
from functools import partial
from typing import Final

from stream.arguments import moment, positive

WAIT_SECONDS: Final = 600.0
EXIT_CODES: Final = (
    "Exit codes: 0 all files were delivered, are now, or would be; 1 some were not, or nobody said yes, or Genesys or "
    "Kafka cannot be reached; 2 a wrong setting or argument; 3 no guest sent a file then."
)


def add_arguments(command: ArgumentParser) -> None:
    """Declare the arguments, and what the exit codes tell."""
    command.epilog = EXIT_CODES
    add_time = partial(command.add_argument, type=moment, metavar="AGE|TIME")
    add_time("--since", help="files sent from then on: 90s, 15m, 2h, 7d or an ISO 8601 time")
    add_time("--until", help="files sent before then, written likewise (default: 5m)")
    add_time("--started-since", help="in conversations that started from then on (default: 7 days before --since)")
    command.add_argument(
        "--conversation", metavar="ID", action="append", default=[], help="only of this conversation; may be repeated"
    )
    command.add_argument("--dry-run", action="store_true", help="print what would be published and publish nothing")
    command.add_argument("--yes", action="store_true", help="do not ask; publish each file as it is found missing")
    command.add_argument("--json", action="store_true", help="print a line of JSON for each file, and the sums")
    command.add_argument(
        "--calls-per-minute",
        type=positive,
        help="calls to Genesys, of which the workers do not know (default: a fifth of what the OAuth clients may make)",
    )
    command.add_argument(
        "--wait-seconds",
        type=positive,
        default=WAIT_SECONDS,
        help="how long to wait for Genesys when it does not answer (default: %(default)g)",
    )
    command.add_argument(
        "--ignore-names", action="store_true", help="publish also what only a file name tells was delivered"
    )
    command.add_argument(
        "--beyond-retention",
        action="store_true",
        help="look at times of which Kafka no longer knows the deliveries",
    )
