"""Goes over conversations and tells of their files, delivered or missing."""

from collections.abc import AsyncIterator, Callable, Collection
from typing import Protocol

from msgspec import Struct

from stream.backfill.choice import Choice
from stream.backfill.known import Known, Mark
from stream.backfill.reading import GuestFile
from stream.backfill.window import Window
from stream.failures import Failure


class Finding(Struct, frozen=True):
    """A file, and by what it is known to have been delivered; None where it is missing."""

    file: GuestFile
    mark: Mark | None


class Conversations(Protocol):
    """What Genesys tells; see stream/backfill/reading.py."""

    async def conversations(self, day: Window) -> list[str]:
        """Return the conversations that started on a day."""

    async def files(self, conversation_id: str) -> list[GuestFile]:
        """Return the files of a conversation."""


class Search:
    """Reads one conversation after the other, each once; those that cannot be read are left in `unread`.

    Those that are `erased` are not read, and are left in `skipped`.

    `read_until` is the start of the day whose conversations are being read: those of earlier days are done with.
    """

    def __init__(
        self,
        choice: Choice,
        genesys: Conversations,
        known: Known,
        progress: Callable[[str], None],
        erased: Collection[str] = (),
    ) -> None:
        self._choice = choice
        self._genesys = genesys
        self._known = known
        self._progress = progress
        self._erased = erased
        self.skipped: set[str] = set()
        self.read = 0
        self.unread: dict[str, str] = {}
        self.read_until = choice.started_since

    async def findings(self) -> AsyncIterator[list[Finding]]:
        """Yield the files of each conversation.

        Raises:
            EndedError: Genesys tells no more.
        """
        seen: set[str] = set()
        async for conversation_id in self._conversations():
            if conversation_id in self._erased:
                self.skipped.add(conversation_id)
            elif conversation_id not in seen:
                seen.add(conversation_id)
                yield await self._findings(conversation_id)

    async def _conversations(self) -> AsyncIterator[str]:
        for conversation_id in self._choice.conversations:
            yield conversation_id
        if self._choice.conversations:
            return
        for day in Window(self._choice.started_since, self._choice.window.until).days():
            self.read_until = day.since
            for conversation_id in await self._genesys.conversations(day):
                yield conversation_id

    async def _findings(self, conversation_id: str) -> list[Finding]:
        self._progress(conversation_id)
        try:
            files = await self._genesys.files(conversation_id)
        except Failure as failure:
            self.unread[conversation_id] = str(failure)
            return []
        self.read += 1
        marks = self._known.marks(conversation_id, files, by_name=self._choice.by_name)
        return [Finding(file, marks.get(file)) for file in files]
