"""The commands of the stream: `python -m stream --help`.

Each command imports what it needs when it runs, so that `--help` and a wrong setting answer at once. Exit codes: 0
done; 1 something is left to mend, or Kafka cannot be reached; 2 a wrong setting or argument; 3 (dead-letters,
backfill) nothing is meant.
"""

import os
import sys
from argparse import ArgumentParser, Namespace
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, Final

from stream.backfill.arguments import add_arguments as add_backfill_arguments
from stream.console import Console
from stream.dead_letters.arguments import add_arguments as add_dead_letters_arguments
from stream.orders.arguments import SUMMARIES
from stream.orders.arguments import add_arguments as add_order_arguments
from stream.probe.arguments import add_arguments as add_probe_arguments
from stream.settings import BridgeSettings, KafkaSettings, WrongSettingError, load
from stream.unfinished.arguments import add_arguments as add_unfinished_arguments

OK: Final = 0
FAILED: Final = 1
INTERRUPTED: Final = 130  # as shells count: 128 and the signal's number
WRONG_USAGE: Final = 2
WAIT_SECONDS: Final = 60.0


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one command and return the process's exit code."""
    options = parser().parse_args(arguments)
    console = Console.of_process()
    try:
        code: int = options.run(options, console)
    except WrongSettingError as error:
        console.complain(str(error))
        return WRONG_USAGE
    except BrokenPipeError:  # whoever reads, such as `head`, has enough; what is still buffered goes nowhere
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return FAILED
    except KeyboardInterrupt:  # nothing is lost by it: what a command has not told of, it has not done
        console.complain("interrupted")
        return INTERRUPTED
    return code


def parser() -> ArgumentParser:
    """Return the parser of all commands."""
    root = ArgumentParser(
        prog="python -m stream",
        description="What flows: the webhook bridge, the topics, the dead letters, the messages' schemas.",
        epilog="Settings come from the environment and ./.env; docs/settings.md lists them.",
    )
    commands = root.add_subparsers(required=True, metavar="COMMAND")
    _command(commands, "bridge", _bridge, "take webhooks over HTTP and put them into Kafka, until SIGTERM")
    _add_topics(commands)
    _add_dead_letters(commands)
    _add_orders(commands)
    backfill = _command(commands, "backfill", _backfill, "publish what webhooks should have brought and did not")
    add_backfill_arguments(backfill)
    add_unfinished_arguments(
        _command(commands, "unfinished", _unfinished, "name events that have no end, and send them again")
    )
    add_probe_arguments(_command(commands, "probe", _probe, "post one webhook to a bridge and wait for its result"))
    schemas = _command(commands, "schemas", _schemas, "write the schemas of messages, topics and HTTP")
    schemas.add_argument("--out", type=Path, default=Path("docs"), help="folder (default: %(default)s)")
    settings = _command(commands, "settings", _settings, "print the bridge's settings as they are in force")
    settings.add_argument("--example", action="store_true", help="print a .env file with every default instead")
    return root


def _add_topics(commands: Any) -> None:
    topics = _command(commands, "topics", _topics, "create the topics that are missing and say how others differ")
    changing = topics.add_mutually_exclusive_group()
    changing.add_argument("--check", action="store_true", help="create nothing")
    changing.add_argument(
        "--grow",
        action="store_true",
        help="give topics TOPIC_PARTITIONS partitions, and move what then belongs elsewhere; no worker may run",
    )
    topics.add_argument("--json", action="store_true", help="print JSON")
    topics.add_argument(
        "--wait-seconds", type=float, default=WAIT_SECONDS, help="how long to wait for Kafka (default: %(default)g)"
    )


def _add_dead_letters(commands: Any) -> None:
    group = commands.add_parser(
        "dead-letters", help="list, show, replay or purge dead letters", description=_dead_letters.__doc__
    )
    group.set_defaults(run=_dead_letters)
    add_dead_letters_arguments(group)


def _add_orders(commands: Any) -> None:
    for name, summary in SUMMARIES.items():
        add_order_arguments(_command(commands, name, _order, summary), name)


def _command(commands: Any, name: str, run: Callable[[Namespace, Console], int], summary: str) -> ArgumentParser:
    command: ArgumentParser = commands.add_parser(
        name, help=summary, description=f"{summary[:1].upper()}{summary[1:]}."
    )
    command.set_defaults(run=run)
    return command


def _bridge(_options: Namespace, _console: Console) -> int:
    from stream.bridge.process import main as serve  # noqa: PLC0415

    return serve(load(BridgeSettings))


def _topics(options: Namespace, console: Console) -> int:
    settings = load(KafkaSettings)
    from stream.kafka.clients import KafkaUnreachableError  # noqa: PLC0415
    from stream.kafka.provisioning import as_json, provision, table  # noqa: PLC0415

    if options.grow:
        return _grow(settings, options, console)
    try:
        reports = provision(settings, create=not options.check, wait_seconds=options.wait_seconds)
    except KafkaUnreachableError as error:
        console.complain(str(error))
        return FAILED
    console.say(as_json(reports) if options.json else table(reports))
    if any(difference.property == "partitions" for report in reports for difference in report.differences):
        console.complain("--grow gives topics more partitions while no worker runs; see docs/operations.md")
    return OK if all(report.is_wanted for report in reports) else FAILED


def _grow(settings: KafkaSettings, options: Namespace, console: Console) -> int:
    from stream.growth.growth import as_json, grow, sentence  # noqa: PLC0415
    from stream.growth.moving import GrowthError  # noqa: PLC0415
    from stream.kafka.clients import KafkaUnreachableError  # noqa: PLC0415

    try:
        grown = grow(settings, wait_seconds=options.wait_seconds)
    except (GrowthError, KafkaUnreachableError) as error:
        console.complain(str(error))
        return FAILED
    console.say(as_json(grown) if options.json else sentence(grown))
    return OK


def _dead_letters(options: Namespace, console: Console) -> int:
    """Dead letters are records that are ours to mend; they go back once it is done."""
    settings = load(KafkaSettings)
    from stream.dead_letters.commands import list_letters, purge_letters, replay_letters, show  # noqa: PLC0415

    actions = {"list": list_letters, "show": show, "replay": replay_letters, "purge": purge_letters}
    return _reaching_kafka(lambda: actions[options.action](settings, options, console), console)


def _order(options: Namespace, console: Console) -> int:
    settings = load(KafkaSettings)
    from stream.orders.command import run  # noqa: PLC0415

    return _reaching_kafka(lambda: run(settings, options, console), console)


def _backfill(options: Namespace, console: Console) -> int:
    from stream.backfill.settings import BackfillSettings  # noqa: PLC0415

    settings = load(BackfillSettings)
    from stream.backfill.command import backfill  # noqa: PLC0415

    return _reaching_kafka(lambda: backfill(settings, options, console), console)


def _unfinished(options: Namespace, console: Console) -> int:
    settings = load(KafkaSettings)
    from stream.unfinished.command import run  # noqa: PLC0415

    return _reaching_kafka(lambda: run(settings, options, console), console)


def _probe(options: Namespace, console: Console) -> int:
    settings = load(BridgeSettings)
    from stream.probe.command import run  # noqa: PLC0415

    return _reaching_kafka(lambda: run(settings, options, console), console)


def _reaching_kafka(run: Callable[[], int], console: Console) -> int:
    from stream.kafka.clients import KafkaUnreachableError  # noqa: PLC0415
    from stream.kafka.snapshot import UnknownTopicError  # noqa: PLC0415

    try:
        return run()
    except (KafkaUnreachableError, UnknownTopicError) as error:
        console.complain(str(error))
        return FAILED


def _schemas(options: Namespace, console: Console) -> int:
    from stream.schemas import write  # noqa: PLC0415
    from stream.specifications import files  # noqa: PLC0415

    for path in write(options.out, files()):
        console.say(str(path))
    return OK


def _settings(options: Namespace, console: Console) -> int:
    from stream.settings_page import BRIDGE, EVERY_PROCESS, effective, example  # noqa: PLC0415

    console.say(example((EVERY_PROCESS, BRIDGE)) if options.example else effective(load(BridgeSettings)))
    return OK


if __name__ == "__main__":
    sys.exit(main())
