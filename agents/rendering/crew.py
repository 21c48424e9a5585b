"""Children of one profile at work: hired, watched, and replaced when a file was too much for them."""

import asyncio
import logging
import signal
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Final

from agents.rendering import wire
from agents.rendering.children import Child, ChildDied, ChildLeft
from agents.rendering.forking import Forkserver, ForkserverGone
from agents.rendering.verdicts import Answer, Limits, Order, Refusal, Verdict

logger = logging.getLogger(__name__)

EXIT_REPORT_SECONDS: Final = 1.0
# How libraries end the process when an allocation fails.
MEMORY_SIGNALS: Final = frozenset({signal.SIGABRT, signal.SIGTRAP, signal.SIGILL, signal.SIGSEGV})
STARVED_SHARE: Final = 0.25
"""Of the time until the deadline: with less CPU than that, the machine and not the file was too slow."""
CLOCK_SIGNALS: Final = frozenset({signal.SIGXCPU, signal.SIGALRM})


class Starved(Exception):  # noqa: N818 - a state, like the tree in failures.py
    """A child had hardly any CPU time until its deadline, which tells nothing of the file."""


@dataclass(kw_only=True)
class Crew:
    """Children of one profile: at most `size`, forked when first needed, reused newest first.

    `on_lost` hears the cause of each child lost: timeout, starved, memory, crashed or garbage.
    """

    forkserver: Forkserver
    size: int
    may_exec: bool
    jobs_per_child: int
    on_lost: Callable[[str], None]
    on_started: Callable[[], None] = lambda: None
    busy: int = 0
    """Children that work on a file."""
    idle: list[Child] = field(default_factory=list)
    seats: asyncio.Semaphore = field(init=False)

    def __post_init__(self) -> None:
        self.seats = asyncio.Semaphore(self.size)

    async def run(self, data: bytes, order: Order, wall_seconds: float) -> Answer:
        """Have one child do one job; the deadline runs from when the child has it.

        Raises ForkserverGone, or Starved when the child could hardly run until then.
        """
        async with self.seats:
            while True:
                child = await self._hired(order.limits)
                try:
                    answer = await self._asked(child, data, order, wall_seconds)
                except ChildLeft:  # ended while idle, so the file is not to blame
                    self.forkserver.retire(child)
                except BaseException:
                    self.forkserver.retire(child)
                    raise
                else:
                    self._dismiss(child, answer)
                    return answer

    async def fill(self, limits: Limits) -> None:
        """Have one child ready before the first job; raises ForkserverGone."""
        async with self.seats:
            self.idle.append(await self._hired(limits))

    def disband(self) -> None:
        """Hang up on all idle children, which ends them."""
        while self.idle:
            self.idle.pop().close()

    async def _hired(self, limits: Limits) -> Child:
        while self.idle:
            child = self.idle.pop()
            if not child.broken:
                return child
            self.forkserver.retire(child)
        child = await self.forkserver.fork(limits, may_exec=self.may_exec)
        self.on_started()
        return child

    async def _asked(self, child: Child, data: bytes, order: Order, wall_seconds: float) -> Answer:
        self.busy += 1
        try:
            return await self._answered(child, data, order, wall_seconds)
        finally:
            self.busy -= 1

    async def _answered(self, child: Child, data: bytes, order: Order, wall_seconds: float) -> Answer:
        used_seconds = child.cpu_seconds()
        try:
            async with asyncio.timeout(wall_seconds):
                body = await child.ask(data, order)
            return wire.checked_answer(body, order.limits)
        except TimeoutError:
            self._demand_fairness(child.cpu_seconds() - used_seconds, wall_seconds)
            return self._timed_out(f"within {wall_seconds:g} seconds", child.peak_rss_bytes())
        except wire.Garbage as error:
            return self._garbled(error, child.peak_rss_bytes())
        except ChildDied:
            return await self._post_mortem(child, order)

    def _dismiss(self, child: Child, answer: Answer) -> None:
        spent = child.jobs_done >= self.jobs_per_child
        if spent or child.broken or answer.verdict in {Verdict.TIMEOUT, Verdict.CRASHED}:
            self.forkserver.retire(child)
        else:
            self.idle.append(child)

    async def _post_mortem(self, child: Child, order: Order) -> Refusal:
        await asyncio.wait([child.exited], timeout=EXIT_REPORT_SECONDS)
        if not child.exited.done():
            return self._crashed("it hung up", 0)
        if child.exited.cancelled():
            raise ForkserverGone("the forkserver died under a job")
        report = child.exited.result()
        if report.signal in CLOCK_SIGNALS:
            return self._timed_out("within its CPU time", report.peak_rss_bytes)
        if report.signal in MEMORY_SIGNALS and report.peak_rss_bytes > order.limits.program_memory_bytes:
            return self._outgrown(report.peak_rss_bytes)
        return self._crashed(_cause(report), report.peak_rss_bytes)

    def _demand_fairness(self, used_seconds: float, wall_seconds: float) -> None:
        if used_seconds < STARVED_SHARE * wall_seconds:
            self.on_lost("starved")
            raise Starved(f"a child had {used_seconds:.1f} s of CPU time in {wall_seconds:g} s")

    def _timed_out(self, when: str, peak_rss_bytes: int) -> Refusal:
        self.on_lost("timeout")
        reason = f"The file could not be drawn {when}."
        return Refusal(verdict=Verdict.TIMEOUT, reason=reason, peak_rss_bytes=peak_rss_bytes)

    def _outgrown(self, peak_rss_bytes: int) -> Refusal:
        self.on_lost("memory")
        reason = "The file takes more memory than a preview may use."
        return Refusal(verdict=Verdict.TOO_LARGE, reason=reason, peak_rss_bytes=peak_rss_bytes)

    def _crashed(self, cause: str, peak_rss_bytes: int) -> Refusal:
        self.on_lost("crashed")
        logger.warning("rendering.child_crashed cause=%s", cause)
        reason = f"The file breaks the program that draws it ({cause})."
        return Refusal(verdict=Verdict.CRASHED, reason=reason, peak_rss_bytes=peak_rss_bytes)

    def _garbled(self, error: wire.Garbage, peak_rss_bytes: int) -> Refusal:
        self.on_lost("garbage")
        logger.warning("rendering.garbage_answer cause=%s", error)
        reason = "The program that draws the file gave an answer that is not a preview."
        return Refusal(verdict=Verdict.CRASHED, reason=reason, peak_rss_bytes=peak_rss_bytes)


def _cause(report: wire.Exited) -> str:
    return signal.strsignal(report.signal) or f"signal {report.signal}" if report.signal else "it ended early"
