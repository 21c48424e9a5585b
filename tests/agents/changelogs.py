"""A changelog in memory, for tests of what is written to and recovered from one."""

from typing import Any, TypeVar

import faust

from agents.rows import Observer, Rows

RowT = TypeVar("RowT")


class Changelog:
    """What a table wrote, in order."""

    def __init__(self) -> None:
        self.records: list[tuple[int, bytes | None, bytes | None]] = []

    async def __call__(
        self, topic: str, *, key: bytes | None, value: bytes | None, partition: int | None = None, headers: Any = None
    ) -> None:
        del topic, headers
        assert partition is not None
        self.records.append((partition, key, value))

    def last(self, partition: int, key: str) -> bytes | None:
        """Return the last value of a key, None after a tombstone."""
        return next(value for at, name, value in reversed(self.records) if (at, name) == (partition, key.encode()))

    def replay_into(self, rows: Rows[Any]) -> None:
        """Recover a table from this log."""
        for partition, key, value in self.records:
            rows.apply(partition, key, value)


def make_rows(
    log: Changelog, kind: type[RowT], observer: Observer[RowT] | None = None, skipped: list[int] | None = None
) -> Rows[RowT]:
    """Make a table whose changelog is `log`."""
    app = faust.App("tests", broker="kafka://127.0.0.1:1", web_enabled=False)
    return Rows(
        app,
        "table",
        kind,
        partitions=4,
        send=log,
        on_skipped=lambda: (skipped if skipped is not None else []).append(1),
        observer=observer,
    )
