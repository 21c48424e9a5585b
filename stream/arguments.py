"""Values that commands take as arguments: rates, numbers, ages and times."""

import argparse
import math
import time


def rate(text: str) -> float:
    """Read a number from 0 on."""
    number = float(text)
    if not 0 <= number < math.inf:
        raise argparse.ArgumentTypeError(f"{text!r} is no number from 0 on")
    return number


def positive(text: str) -> float:
    """Read a number above 0."""
    number = float(text)
    if not 0 < number < math.inf:
        raise argparse.ArgumentTypeError(f"{text!r} is no number above 0")
    return number


def moment(text: str) -> float:
    """Read an age or an ISO 8601 time; return Unix seconds."""
    from stream.dead_letters.letters import parse_time  # noqa: PLC0415 - `--help` must not pay for it

    try:
        return parse_time(text, time.time())
    except ValueError as error:
        raise argparse.ArgumentTypeError(
            f"{text!r} is neither an age (90s, 15m, 2h, 7d) nor an ISO 8601 time"
        ) from error
