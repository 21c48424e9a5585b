"""A real pool whose children are held captive, and what an escape could reach around it."""

import os
import shutil
import socket
import sys
import tempfile
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass
from pathlib import Path

from agents.rendering.crew import Crew, Starved
from agents.rendering.pool import RenderPool
from agents.rendering.verdicts import Answer, Limits, Order, Refusal, Rendition, Verdict
from stream.failures import Retryable
from tests.agents.rendering.pools import running_pool
from tests.confinement.captive import CALL, HELD
from tests.confinement.escapes import EXECUTING, Escape
from tests.harness.files import photo, saved

CHECKOUT = Path(__file__).parents[2]
CAPTIVE = "tests.confinement.captive"
LIMITS = Limits(wall_seconds=1.0)
BY_SECCOMP = "Bad system call"  # strsignal(SIGSYS)
LITTER = [Path("/tmp/escaped-from-confinement"), Path("/dev/shm/escaped-from-confinement")]
VICTIM = b"untouched"


@dataclass(frozen=True)
class Attempt:
    """An escape that was tried: whether it was held, and how or why not."""

    escape: Escape
    held: bool
    account: str


class Cell:
    """Tries escapes one by one, and looks from outside whether one came through."""

    def __init__(self, pool: RenderPool, folder: Path, listener: socket.socket, lost: list[str]) -> None:
        self._pool = pool
        self._folder = folder
        self._listener = listener
        self._lost = lost
        self._honest = saved(photo((64, 48)), "JPEG")

    async def attempt(self, escape: Escape) -> Attempt:
        """Have a child try, and judge."""
        self._lost.clear()
        answer = await self._run(escape)
        traces = self._traces()
        if traces:
            return Attempt(escape, held=False, account=traces)
        honest = await self._pool.render(self._honest, file_name="after.jpg")
        if honest.verdict is not Verdict.RENDERED:
            return Attempt(escape, held=False, account=f"the next file was {honest.verdict}")
        return self._judged(escape, answer)

    def _judged(self, escape: Escape, answer: Answer) -> Attempt:
        if escape.expected:
            return Attempt(escape, held=self._lost == [escape.expected], account=f"child lost: {self._lost}")
        if isinstance(answer, Rendition):
            note = answer.note or ""
            return Attempt(escape, held=note.startswith(HELD), account=note)
        return Attempt(escape, held=BY_SECCOMP in answer.reason, account=answer.reason)

    async def _run(self, escape: Escape) -> Answer:
        try:
            return await self._answer(escape)
        except (Retryable, Starved) as failure:
            return Refusal(verdict=Verdict.TIMEOUT, reason=str(failure))

    async def _answer(self, escape: Escape) -> Answer:
        data = CALL + f"{escape.name} {self._filled(escape.argument)}".encode()
        if escape.profile != EXECUTING:
            return await self._pool.render(data, file_name="hostile.bin")
        order = Order(
            size_bytes=len(data), file_name="hostile.bin", declared_mime=None, limits=LIMITS, second_opinion=True
        )
        return await self._executing_crew().run(data, order, LIMITS.wall_seconds)

    def _executing_crew(self) -> Crew:
        return self._pool._poppler_crew

    def _filled(self, argument: str) -> str:
        forkserver = self._pool._forkserver.pid
        return argument.format(
            folder=self._folder,
            checkout=CHECKOUT,
            parent=os.getpid(),
            forkserver=forkserver,
            port=self._listener.getsockname()[1],
            python=sys.executable,
            pdfinfo=shutil.which("pdfinfo") or "/usr/bin/pdfinfo",
        )

    def _traces(self) -> str:
        """Look for what an escape would have changed."""
        names = {path.name for path in self._folder.iterdir()}
        if names != {"secret", "victim", "link-to-passwd"}:
            return f"the folder holds {sorted(names)}"
        if (self._folder / "victim").read_bytes() != VICTIM or (self._folder / "victim").stat().st_mode & 0o077:
            return "the victim was changed"
        litter = [str(path) for path in (*LITTER, CHECKOUT / "agents" / "escaped.py") if path.exists()]
        return f"{litter} came to be" if litter else self._connections()

    def _connections(self) -> str:
        try:
            connection, _ = self._listener.accept()
        except BlockingIOError:
            return ""
        connection.close()
        return "somebody connected"


@asynccontextmanager
async def cell() -> AsyncIterator[Cell]:
    """Start a pool of captives amid things worth stealing."""
    lost: list[str] = []
    with _folder() as folder, socket.create_server(("127.0.0.1", 0)) as listener:
        listener.settimeout(0)
        async with running_pool(LIMITS, on_lost=lost.append, engine_module=CAPTIVE) as pool:
            yield Cell(pool, folder, listener, lost)


@contextmanager
def _folder() -> Iterator[Path]:
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        for file_name in ("secret", "victim"):
            (folder / file_name).write_bytes(VICTIM)
            (folder / file_name).chmod(0o600)
        (folder / "link-to-passwd").symlink_to("/etc/passwd")
        yield folder
