"""What one life of a loss test's child process is to do, and what it says while it does it."""

from collections.abc import Awaitable, Callable
from enum import StrEnum
from typing import Literal

import msgspec

SlowSeek = Callable[[float], Awaitable[None]]
Crash = Callable[[BaseException], Awaitable[None]]


class Kind(StrEnum):
    """Whose classes the child runs on."""

    STOCK = "stock"
    OURS = "ours"


class Style(StrEnum):
    """How the stock agent reads its stream; ours always hands each record to a lane."""

    EVENTS = "events"
    NOACK = "noack"
    TAKE = "take"
    JSON = "json"
    TABLE = "table"


class Plan(msgspec.Struct, frozen=True, kw_only=True):
    """One life of the child, passed on its command line as JSON; mishaps are offsets of partition 0."""

    kind: Kind
    bootstrap_servers: str
    group: str
    topics: list[str]
    partitions: int
    data_dir: str
    style: Style = Style.EVENTS
    concurrency: int = 1
    """Instances of the stock agent."""
    fails: int | None = None
    """The job of this record raises."""
    hangs: int | None = None
    """The job of this record never ends."""
    forgets: int | None = None
    """The noack style never finishes this record, nor acknowledges it."""
    hanging_topic: str = ""
    """Every job of this topic hangs."""
    wait_empty: bool = True
    """Stock: whether a stop waits for jobs; ours always does, bounded."""
    buffer_maxsize: int = 4096
    """Stock: records that wait for an agent."""
    commit_seconds: float = 0.0
    """Ours: a slow broker; how long a commit takes before it is done."""
    member: str = ""
    """Ours: the static member; empty for a dynamic one."""
    job_seconds: float = 0.0
    seek_seconds: float = 0.0
    """A slow broker: how long a seek to the committed offsets takes before it is done, and after."""


class Said(msgspec.Struct, frozen=True):
    """One line of the child: a rebalance over, a seek begun, a commit round over, a job started or done."""

    what: Literal["ready", "seeking", "committed", "started", "done"]
    topic: str = ""
    partition: int = 0
    offset: int = 0
