"""What `python -m stream dead-letters` may be told."""

from argparse import ArgumentParser
from typing import Any, Final

from stream.arguments import moment, rate
from stream.failures import Reason, Stage

REPLAY_RATE: Final = 5.0
"""Records a second: what one OAuth client may post, so that the files of guests do not queue behind a replay."""
EXIT_CODES: Final = (
    "Exit codes: 0 all that is meant was done, or would be; 1 some of it was not, or nobody said yes, or Kafka cannot "
    "be reached; 2 a wrong setting or argument; 3 no dead letter is meant."
)


def add_arguments(group: ArgumentParser) -> None:
    """Declare the actions with their arguments, and what the exit codes tell."""
    group.epilog = EXIT_CODES
    actions = group.add_subparsers(required=True, metavar="ACTION", dest="action")
    listing = _action(actions, "list", "print a line for each dead letter")
    _add_filters(listing)
    listing.add_argument("--json", action="store_true", help="print a line of JSON for each")
    showing = _action(actions, "show", "print one dead letter with its original bytes")
    showing.add_argument("which", help="event id, or topic:partition:offset of the dead letter or its record")
    showing.add_argument("--json", action="store_true", help="print JSON, bytes in base64")
    showing.add_argument("--raw", action="store_true", help="print the original bytes and nothing else")
    replaying = _action(actions, "replay", "send dead letters back to the topic they came from")
    _add_doing(replaying, "sending several")
    replaying.add_argument(
        "--rate", type=rate, default=REPLAY_RATE, help="records a second, 0 for no limit (default: %(default)g)"
    )
    replaying.add_argument("--force", action="store_true", help="also those that were replayed three times already")
    _add_doing(_action(actions, "purge", "remove dead letters for good"), "removing")


def _action(actions: Any, name: str, summary: str) -> ArgumentParser:
    action: ArgumentParser = actions.add_parser(
        name, help=summary, description=f"{summary[:1].upper()}{summary[1:]}.", epilog=EXIT_CODES
    )
    return action


def _add_doing(command: ArgumentParser, what: str) -> None:
    command.add_argument(
        "which", nargs="?", help="event id, or topic:partition:offset of the dead letter or of the record it holds"
    )
    _add_filters(command)
    command.add_argument("--all", action="store_true", help="all of them")
    command.add_argument("--dry-run", action="store_true", help="print what would be done and do nothing")
    command.add_argument("--yes", action="store_true", help=f"do not ask before {what}")
    command.add_argument("--json", action="store_true", help="print a line of JSON for each, and one with the sums")


def _add_filters(command: ArgumentParser) -> None:
    command.add_argument(
        "--reason",
        choices=[reason.value for reason in Reason],
        metavar="REASON",
        help="only this reason (docs/reasons.md)",
    )
    command.add_argument(
        "--stage",
        choices=[stage.value for stage in Stage],
        metavar="STAGE",
        help=f"only this stage: {', '.join(Stage)}",
    )
    command.add_argument("--conversation", metavar="ID", help="only of this conversation")
    command.add_argument(
        "--since", type=moment, metavar="AGE|TIME", help="only later ones: 90s, 15m, 2h, 7d or an ISO 8601 time"
    )
    command.add_argument(
        "--until", "--older-than", type=moment, metavar="AGE|TIME", help="only earlier ones, written likewise"
    )
