"""`python -m stream backfill`: reads, shows, asks, publishes."""

import asyncio
import time
from argparse import Namespace
from typing import Final

from stream.backfill.account import Account
from stream.backfill.choice import Choice, WrongUsageError
from stream.backfill.known import Known, read_known
from stream.backfill.patience import EndedError, Patient
from stream.backfill.publishing import SOURCE, Publisher
from stream.backfill.reading import GuestFile, Reader
from stream.backfill.search import Search
from stream.backfill.settings import BackfillSettings
from stream.backfill.window import iso
from stream.breaker import Breaker
from stream.console import Console, visible
from stream.genesys.api import Api
from stream.genesys.login import Access
from stream.genesys.rate import RateShare
from stream.kafka.outbox import create_producer
from stream.logs import configure_logging
from stream.orders.erased import erased_conversations
from stream.topics import Topics

OK: Final = 0
LEFT: Final = 1
WRONG_USAGE: Final = 2
NOTHING: Final = 3
SHARE_OF_CALLS: Final = 0.2
"""Of what the OAuth clients may make, by default: the workers do not know of these calls."""
LONGEST_TURN_SECONDS: Final = 120.0
UNCONCERNED: Final = 1_000_000_000  # failures before the circuit opens: one caller's patience does the waiting


def backfill(settings: BackfillSettings, options: Namespace, console: Console) -> int:
    """Publish the files that are missing, and return the exit code.

    Raises:
        KafkaUnreachableError: Kafka did not answer.
        UnknownTopicError: One of the topics does not exist.
    """
    try:
        choice = Choice.of(options, retention_hours=settings.topic_retention_hours, now=time.time())
    except WrongUsageError as error:
        console.complain(str(error))
        return WRONG_USAGE
    configure_logging("ERROR", "text")  # a call that has to wait is told of here
    publisher = Publisher(create_producer(settings, SOURCE), Topics.of(settings).attachments, time.time)
    console.progress("reading what was delivered")
    known = read_known(settings, choice.window)
    erased = erased_conversations(settings, console)
    return asyncio.run(
        _with_genesys(settings, options, console, choice=choice, known=known, erased=erased, publisher=publisher)
    )


async def _with_genesys(
    settings: BackfillSettings,
    options: Namespace,
    console: Console,
    *,
    choice: Choice,
    known: Known,
    erased: frozenset[str],
    publisher: Publisher,
) -> int:
    api = create_api(settings, options.calls_per_minute)
    patient = Patient(
        api.call,
        patience_seconds=options.wait_seconds,
        clock=time.monotonic,
        sleep=asyncio.sleep,
        tell=console.complain,
    )
    account = Account(console, as_json=options.json)
    reader = Reader(patient.call, choice.window, settings.webhook_own_hosts)

    def progress(conversation_id: str) -> None:
        counts = f"{search.read} conversations, {account.files} files"
        console.progress(f"{iso(search.read_until)}: {counts}; {visible(conversation_id)}")

    search = Search(choice, reader, known, progress, erased)
    try:
        return await Backfill(search, publisher, account, console, options).run()
    finally:
        await api.close()


def create_api(settings: BackfillSettings, calls_per_minute: float | None) -> Api:
    """Build a client that makes one call after the other; the rate is that of all OAuth clients together."""
    clients = settings.oauth_clients
    each = SHARE_OF_CALLS * settings.genesys_calls_per_minute
    if calls_per_minute is not None:
        each = calls_per_minute / len(clients)
    return Api(
        Access(base_url=settings.genesys_address, clients=clients),
        rates=[RateShare(each, max_wait_seconds=LONGEST_TURN_SECONDS) for _ in clients],
        breaker=Breaker("Genesys", threshold=UNCONCERNED),
        timeout_seconds=settings.genesys_timeout_seconds,
        concurrency=1,
    )


class Backfill:
    """One run: what is missing is published as it is found where that was agreed to beforehand, else after asking."""

    def __init__(
        self, search: Search, publisher: Publisher, account: Account, console: Console, options: Namespace
    ) -> None:
        self._search = search
        self._publisher = publisher
        self._account = account
        self._console = console
        self._options = options

    async def run(self) -> int:
        """Read to the end, or as far as it goes, and return the exit code."""
        at_once = self._options.yes and not self._options.dry_run
        waiting: list[GuestFile] = []
        ended = ""
        try:
            async for findings in self._search.findings():
                missing = self._account.missing(findings)
                if at_once:
                    self._publish(missing)
                else:
                    waiting += missing
        except EndedError as error:
            ended = str(error)
        except asyncio.CancelledError:  # by Ctrl-C
            ended = "interrupted"
        self._console.progress("")
        return self._finish(waiting, ended)

    def _finish(self, waiting: list[GuestFile], ended: str) -> int:
        dry_run, refused = self._options.dry_run, False
        self._account.unread(self._search.unread)
        if waiting and (dry_run or not self._options.json):
            self._account.would(waiting)
        if waiting and not dry_run and not ended:
            refused = not self._console.confirm(f"Publish {len(waiting)} attachments?")
            if refused:
                self._console.complain("nothing published")
            else:
                self._publish(waiting)
        would = len(waiting) if dry_run else None
        search = self._search
        self._account.sum(conversations=search.read, unread=len(search.unread), erased=len(search.skipped), would=would)
        if ended:
            self._tell_where(ended)
        return self._code(left=refused or bool(ended))

    def _publish(self, files: list[GuestFile]) -> None:
        if files:
            self._account.done(files, self._publisher.publish([file.attachment for file in files]))

    def _tell_where(self, ended: str) -> None:
        """Tell how far it came; what was published is known to the next run, so that running all again is harmless."""
        self._console.complain(ended)
        if not (self._options.yes or self._options.dry_run):
            self._console.complain("nothing published; with --yes each file is as soon as it is found missing")
        elif not self._options.conversation:
            self._console.complain(f"not done: go on with --started-since {iso(self._search.read_until)}")

    def _code(self, *, left: bool) -> int:
        if left or self._search.unread or self._account.failed:
            return LEFT
        return OK if self._account.files else NOTHING
