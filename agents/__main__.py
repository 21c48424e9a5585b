"""`python -m agents worker|render|reconcile`: the commands of the acting side."""

import argparse
import asyncio
import logging
import os
import signal
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, NoReturn

from agents.process.ending import SIGNALS, Ending
from stream.settings import WrongSettingError, load

if TYPE_CHECKING:
    from agents.settings import WorkerSettings

WRONG_USAGE = 2


def main(arguments: Sequence[str] | None = None) -> int:
    """Run a command and return its exit code."""
    parser = argparse.ArgumentParser(prog="python -m agents", description="Acts on the stream of attachments.")
    commands = parser.add_subparsers(dest="command", required=True, metavar="COMMAND")
    commands.add_parser(
        "worker",
        help="render attachments, post their previews, and expire them",
        description="Runs one worker until SIGTERM, which it obeys within SHUTDOWN_SECONDS; a second one ends it at "
        "once. Settings come from the environment and ./.env; see .env.example. Exit codes: 0 ended in order; 1 "
        "crashed, or hung at its end; 2 a wrong setting; 3 told to end, but Kafka did not take the last commit or the "
        "farewell in time; 4 stopped by its guard; 130 and 143 told twice. None of them loses anything.",
    )
    render = commands.add_parser(
        "render",
        help="render local files, confined like a worker's",
        description="Renders local files as a worker would. Settings RENDER_* count; exits 0 when all became pictures, "
        "1 when some got a verdict instead, 2 when some could not be read or there is no renderer.",
    )
    _add_render_arguments(render)
    reconcile = commands.add_parser(
        "reconcile",
        help="find stored previews that nothing refers to",
        description="Compares the bucket with the due table and names previews that nothing will ever delete, as after "
        "a changelog was lost. Safe beside live workers. Needs the workers' settings, and a bucket that no other "
        "deployment uses. Exit codes: 0 no orphan is left; 1 some are; 2 a wrong setting, or Kafka or the storage "
        "gave no answer.",
    )
    _add_reconcile_arguments(reconcile)
    given = parser.parse_args(arguments)
    try:
        match given.command:
            case "worker":
                return _worker()
            case "reconcile":
                return _reconcile(given)
            case _:
                return _render(given)
    except WrongSettingError as error:
        sys.stderr.write(f"{error}\n")
        return WRONG_USAGE


def _add_render_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("files", metavar="FILE", nargs="+", type=Path, help="a file to render")
    parser.add_argument("--json", action="store_true", help="one JSON object a line instead of a table")
    parser.add_argument("--out", metavar="DIR", type=Path, help="write the previews into this folder")


def _add_reconcile_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--delete", action="store_true", help="delete the orphans that are older than the grace period")
    parser.add_argument(
        "--grace-hours",
        type=float,
        metavar="HOURS",
        help="leave younger ones alone (default: 24 more than PREVIEW_TTL_SECONDS, while links may be good)",
    )
    parser.add_argument(
        "--at-most", type=int, default=1000, metavar="N", help="delete nothing if there are more (default: 1000)"
    )
    parser.add_argument("--json", action="store_true", help="one JSON object in place of lines")


def _reconcile(given: argparse.Namespace) -> int:
    from agents.reconcile import run  # noqa: PLC0415 - `--help` must not pay for it
    from agents.settings import WorkerSettings  # noqa: PLC0415
    from stream.console import Console  # noqa: PLC0415
    from stream.telemetry import configure_logging  # noqa: PLC0415

    settings = load(WorkerSettings)
    configure_logging("WARNING", "text")
    return run(settings, given, Console.of_process())


def _render(given: argparse.Namespace) -> int:
    from agents.render_command import run  # noqa: PLC0415 - `--help` must not pay for it
    from agents.settings import RenderSettings  # noqa: PLC0415
    from stream.telemetry import configure_logging  # noqa: PLC0415

    settings = load(RenderSettings)
    configure_logging("WARNING", "text")
    return run(given.files, as_json=given.json, out=given.out, settings=settings)


def _worker() -> NoReturn:
    for number in SIGNALS:  # as the first process of a container it would not hear them otherwise
        signal.signal(number, _nothing_has_begun)
    from agents.settings import WorkerSettings  # noqa: PLC0415 - `--help` must not pay for Faust
    from stream.telemetry import configure_logging  # noqa: PLC0415

    settings = load(WorkerSettings)
    configure_logging(settings.log_level, settings.log_format)
    asyncio.run(_run(settings))


def end_process(code: int) -> NoReturn:
    """End now, whatever threads and tasks are left.

    Faust's threads are no daemons and its tasks outlive being cancelled, and aiokafka's heartbeat looks for its
    coordinator for ever when it is closed while Kafka is away: the worker had stopped and its process never ended.
    """
    logging.shutdown()
    sys.stdout.flush()
    os._exit(code)


async def _run(settings: "WorkerSettings") -> NoReturn:
    ending = Ending(settings.shutdown_seconds)
    ending.listen()
    from agents.process.worker import Worker  # noqa: PLC0415 - takes a second, in which a signal is taken already

    end_process(await Worker(settings, ending).run())


def _nothing_has_begun(_number: int, _frame: object) -> NoReturn:
    sys.exit(0)


if __name__ == "__main__":
    sys.exit(main())
