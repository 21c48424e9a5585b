"""The arguments of `python -m stream probe`."""

from argparse import ArgumentParser
from typing import Final

from stream.arguments import positive

BRIDGE_URL: Final = "http://127.0.0.1:8080"
WAIT_SECONDS: Final = 60.0
EPILOG: Final = (
    "Without --file nobody sees a message: the worker rejects the file, and that is the result. Exit codes: 0 the "
    "event has its outcome; 1 it was not accepted, became a dead letter or had no result in time, or Kafka cannot be "
    "reached; 2 a wrong setting or argument."
)


def add_arguments(command: ArgumentParser) -> None:
    """Add them, and what they mean."""
    command.epilog = EPILOG
    command.add_argument("--bridge", metavar="URL", default=BRIDGE_URL, help="its address (default: %(default)s)")
    command.add_argument("--file", metavar="URL", help="where the file lies (default: where no worker may connect to)")
    command.add_argument("--conversation", metavar="ID", default="", help="whose file it is (default: nobody's)")
    command.add_argument(
        "--wait-seconds", type=positive, default=WAIT_SECONDS, help="how long to wait (default: %(default)g)"
    )
