"""What a backfill looks at: which time, which conversations, and what counts as delivered."""

from argparse import Namespace
from typing import Final, Self

from msgspec import Struct

from stream.backfill.window import DAY_SECONDS, Window, iso

SECONDS_PER_HOUR: Final = 3_600.0
SETTLED_SECONDS: Final = 300.0
"""Before now: webhooks of later messages may still be on their way."""
STARTED_DAYS: Final = 7.0
"""Before --since: a conversation of messages may go on for days, and Genesys finds it by the day on which it began."""
HORIZON_SLACK_SECONDS: Final = 60.0  # so that --since 7d fits a retention of 7 days


class WrongUsageError(Exception):
    """The arguments do not say what to do; the message is one line for the operator."""


class Choice(Struct, frozen=True, kw_only=True):
    """What is looked at. Without conversations, those that started from `started_since` on; Unix seconds."""

    window: Window
    started_since: float
    conversations: tuple[str, ...] = ()
    by_name: bool = True

    @classmethod
    def of(cls, options: Namespace, *, retention_hours: int, now: float) -> Self:
        """Read the arguments.

        Raises:
            WrongUsageError: They name no time and no conversation, an empty time, or one of which Kafka knows nothing.
        """
        horizon = now - retention_hours * SECONDS_PER_HOUR
        if options.since is None and not options.conversation:
            raise WrongUsageError("say which: --since, or --conversation")
        since = horizon if options.since is None else options.since
        until = now - SETTLED_SECONDS if options.until is None else options.until
        if since >= until:
            raise WrongUsageError(f"nothing lies between {iso(since)} and {iso(until)}")
        if since < horizon - HORIZON_SLACK_SECONDS and not options.beyond_retention:
            raise WrongUsageError(
                f"--since {iso(since)} lies before {iso(horizon)}: what was delivered then is no longer in Kafka "
                f"(TOPIC_RETENTION_HOURS={retention_hours}) and would come again; --beyond-retention says it may"
            )
        started = since - STARTED_DAYS * DAY_SECONDS if options.started_since is None else options.started_since
        return cls(
            window=Window(since, until),
            started_since=started,
            conversations=tuple(options.conversation),
            by_name=not options.ignore_names,
        )
