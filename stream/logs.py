"""Log lines on stderr: a stable event name, and fields that hold the ids.

Product code logs `logger.info("attachment.linked", extra={"event_id": …})`: the message is the event's name and never
changes, what varies goes into `extra`. Secrets stay out by type (`Secret` shows as ***); credentials in addresses
and headers, which third-party messages may quote, are masked in the finished line.
"""

import json
import logging
import math
import re
import sys
from contextlib import suppress
from datetime import UTC, datetime
from typing import Any, Final, Literal, TextIO

OURS: Final = ("stream", "agents", "__main__")
_STANDARD: Final = frozenset(vars(logging.makeLogRecord({}))) | {"message", "asctime", "taskName"}
_CREDENTIALS: Final = (
    (
        re.compile(
            r"(?i)\b((?:x-amz-)?(?:signature|credential|security-token)|[a-z_]*token|[a-z_]*secret|password)=[^&\s\"'\\]+"
        ),
        r"\1=***",
    ),
    (re.compile(r"(?i)\b(bearer|basic)\s+[a-z0-9._~+/=-]{20,}"), r"\1 ***"),
    (re.compile(r"(?i)\b([a-z][a-z0-9+.-]{0,15}://)[^/\s\"'@\\]+@"), r"\1***@"),
)


def configure_logging(
    level: Literal["DEBUG", "INFO", "WARNING", "ERROR"], format_: Literal["json", "text"], stream: TextIO | None = None
) -> None:
    """Send the process's log lines to stderr (or `stream`), third parties' from WARNING only unless level is DEBUG."""
    handler = logging.StreamHandler(stream or sys.stderr)
    handler.setFormatter(JsonFormatter() if format_ == "json" else TextFormatter())
    logging.basicConfig(handlers=[handler], force=True, level="INFO" if level == "DEBUG" else max_level(level))
    for name in OURS:
        logging.getLogger(name).setLevel(level)
    logging.captureWarnings(capture=True)


def write_lines(lines: bytes) -> None:
    """Write finished lines to stderr, whole among those of other threads; what cannot be written is dropped."""
    with suppress(OSError, ValueError):
        sys.stderr.buffer.write(lines)
        sys.stderr.buffer.flush()


def max_level(level: str) -> int:
    """Return the level of third parties: WARNING, or what is asked for where that is less talkative."""
    return max(logging.WARNING, logging.getLevelNamesMapping()[level])


class JsonFormatter(logging.Formatter):
    """One JSON object a line: at, level, event, logger, the fields, and error where there is one."""

    def format(self, record: logging.LogRecord) -> str:
        """Format the record."""
        line = {
            "at": _time(record),
            "level": record.levelname.lower(),
            "event": record.getMessage(),
            "logger": record.name,
            **{_free(name): _plain(value) for name, value in fields(record).items()},
        }
        if record.exc_info:
            line["error"] = self.formatException(record.exc_info)
        return mask(json.dumps(line, default=str))


class TextFormatter(logging.Formatter):
    """A line for people: time, level, event and name=value pairs; a traceback follows on lines of its own."""

    def format(self, record: logging.LogRecord) -> str:
        """Format the record."""
        event = record.getMessage().replace("\n", "\\n").replace("\r", "\\r")
        pairs = "".join(f" {name}={json.dumps(value, default=str)}" for name, value in fields(record).items())
        line = f"{_time(record)} {record.levelname} {event}{pairs}"
        if record.exc_info:
            line += "\n" + self.formatException(record.exc_info)
        return mask(line)


def fields(record: logging.LogRecord) -> dict[str, Any]:
    """Return what the call gave in `extra`."""
    return {name: value for name, value in vars(record).items() if name not in _STANDARD}


def mask(line: str) -> str:
    """Return the line with credentials in addresses and headers replaced by ***."""
    for pattern, replacement in _CREDENTIALS:
        line = pattern.sub(replacement, line)
    return line


def _time(record: logging.LogRecord) -> str:
    return datetime.fromtimestamp(record.created, UTC).isoformat(timespec="milliseconds")


def _free(name: str) -> str:
    return f"{name}_" if name in {"at", "level", "event", "logger", "error"} else name


def _plain(value: Any) -> Any:
    # JSON knows no NaN and no infinity, and one of them would make the whole line unreadable to a log store.
    return str(value) if isinstance(value, float) and not math.isfinite(value) else value
