"""The parent's way to a preview: a pool of confined children that outlives every one of them.

Not a pool from a library: those unpickle what a child sends, which hands the parent to whoever takes over a
child, and share one pipe and its locks among all children.
"""

import asyncio
import logging
import os
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Final

import msgspec

from agents.rendering.crew import Crew, Starved
from agents.rendering.forking import Forkserver, ForkserverGone, Unconfined
from agents.rendering.layers import Requirement
from agents.rendering.limits import limits_of
from agents.rendering.poison import PoisonMemory
from agents.rendering.verdicts import RENDERED_VERDICTS, Answer, Limits, Order, Refusal, Rendition, Verdict
from agents.settings import RenderSettings
from stream.failures import Reason, Retryable
from stream.settings import wrong
from stream.telemetry import Metrics

logger = logging.getLogger(__name__)

LONGEST_NAME: Final = 300
STARVED_FILES: Final = 1024
"""Files remembered because the machine was too slow for them once: the second time it is their own fault."""
POPPLER: Final = ("pdftoppm", "pdfinfo")


def create_pool(settings: RenderSettings, scratch: Path, metrics: Metrics) -> "RenderPool":
    """Build a pool from settings; unlike a bare RenderPool, it proves its confinement when it starts."""
    pool = RenderPool(
        limits_of(settings),
        children=settings.render_children,
        scratch=scratch,
        on_lost=lambda cause: metrics.render_children_lost.labels(cause).inc(),
        on_started=metrics.render_children_started.inc,
        requirement=Requirement(
            settings.required_layers, lambda layer, held: metrics.confinement_layer.labels(layer).set(held)
        ),
    )
    metrics.render_children.set_function(lambda: pool.living)
    metrics.render_children_busy.set_function(lambda: pool.busy)
    return pool


class RenderPool:
    """Turns files into previews in confined children; never raises for what a file contains.

    A crash, a hang or garbage costs one child and is a verdict. `render` may be called by any number of tasks
    of one event loop; at most `children` jobs run at a time, the others wait.
    """

    def __init__(
        self,
        limits: Limits,
        *,
        children: int = 0,
        jobs_per_child: int = 500,
        remembered_refusals: int = 4096,
        second_opinion: bool = True,
        scratch: Path | None = None,
        on_lost: Callable[[str], None] = lambda _: None,
        on_started: Callable[[], None] = lambda: None,
        requirement: Requirement | None = None,
        engine_module: str = "agents.rendering.engine",
    ) -> None:
        self._requirement = requirement
        self._limits = limits
        self._forkserver = Forkserver(engine_module, scratch, requirement)
        self._poison = PoisonMemory(remembered_refusals)
        self._starved = PoisonMemory(STARVED_FILES)
        self._second_opinion = second_opinion
        self._crew = Crew(
            forkserver=self._forkserver,
            size=children or len(os.sched_getaffinity(0)),
            may_exec=False,
            jobs_per_child=jobs_per_child,
            on_lost=on_lost,
            on_started=on_started,
        )
        self._poppler_crew = Crew(
            forkserver=self._forkserver,
            size=1,
            may_exec=True,
            jobs_per_child=1,  # the wider profile, so nothing of one file meets the next
            on_lost=on_lost,
            on_started=on_started,
        )

    @property
    def living(self) -> int:
        """Return how many children live."""
        return self._forkserver.living

    @property
    def busy(self) -> int:
        """Return how many children work on a file."""
        return self._crew.busy + self._poppler_crew.busy

    async def start(self) -> None:
        """Execute the forkserver, which loads its codecs meanwhile; children are forked with the first jobs.

        With a requirement, a child of each profile is forked now, and WrongSettingError names what it lacks.
        """
        missing = [name for name in POPPLER if shutil.which(name) is None]
        if self._second_opinion and missing:
            logger.warning("rendering.no_second_opinion missing=%s: install poppler-utils", ",".join(missing))
            self._second_opinion = False
        self._forkserver.start()
        if self._requirement is not None:
            await self._prove(self._requirement)

    async def render(
        self, data: bytes, *, file_name: str, declared_mime: str | None = None, sha256: bytes | None = None
    ) -> Rendition | Refusal:
        """Return a preview of the file, or the verdict on it.

        `sha256` saves hashing when the caller has the digest of `data`. Raises Retryable when no child can be
        had, or the machine was too busy for it, which is no fault of the file. A cancelled call ends the child that
        works on it.
        """
        known = self._poison.recall(data, sha256)
        if known is not None:
            return known
        order = Order(
            size_bytes=len(data),
            file_name=file_name[-LONGEST_NAME:],
            declared_mime=declared_mime[:LONGEST_NAME] if declared_mime else None,
            limits=self._limits,
        )
        try:
            answer = await self._opinion(data, order)
        except ForkserverGone as error:
            raise Retryable(Reason.RENDERER_UNAVAILABLE, f"no rendering child: {error}") from error
        except Starved as starved:
            answer = self._slow(data, sha256, starved)
        if isinstance(answer, Refusal):
            self._poison.remember(data, sha256, answer)
        return answer

    async def close(self) -> None:
        """End all children; jobs still waiting get a Retryable."""
        self._crew.disband()
        self._poppler_crew.disband()
        await self._forkserver.close()

    def _slow(self, data: bytes, sha256: bytes | None, starved: Starved) -> Refusal:
        """Give a file another chance on a machine that may be less busy by then, but one: it may be idle on purpose."""
        known = self._starved.recall(data, sha256)
        if known is not None:
            return known
        reason = f"The file could not be drawn within {self._limits.wall_seconds:g} seconds."
        self._starved.remember(data, sha256, Refusal(verdict=Verdict.TIMEOUT, reason=reason))
        raise Retryable(Reason.RENDERER_UNAVAILABLE, f"the machine is too busy: {starved}") from starved

    async def _prove(self, requirement: Requirement) -> None:
        """Hire the first child of each profile; only the main one is kept."""
        try:
            await self._crew.fill(self._limits)
            if self._second_opinion:
                await self._poppler_crew.fill(self._limits)
                self._poppler_crew.disband()
        except Unconfined as error:
            await self.close()
            allowed = f"this system does not give {error}"
            raise wrong("RENDER_REQUIRE_CONFINEMENT", ",".join(sorted(requirement.required)), allowed) from error
        except ForkserverGone as error:
            logger.warning("rendering.not_proven cause=%s", error)  # the first job tries again, and tells its outcome

    async def _opinion(self, data: bytes, order: Order) -> Answer:
        """Ask the first engine, and the second where the first is in doubt, within one deadline for both."""
        loop = asyncio.get_running_loop()
        deadline = loop.time() + self._limits.wall_seconds
        first = await self._crew.run(data, order, self._limits.wall_seconds)
        left_seconds = deadline - loop.time()
        if not self._second_opinion or left_seconds <= 0 or not _doubtful(first, data):
            return first
        second_order = msgspec.structs.replace(order, second_opinion=True)
        try:
            second = await self._poppler_crew.run(data, second_order, left_seconds)
        except Starved:
            return first
        logger.info("rendering.second_opinion first=%s second=%s doubt=%s", first.verdict, second.verdict, first.doubt)
        return second if second.verdict in RENDERED_VERDICTS else first


def _doubtful(answer: Answer, data: bytes) -> bool:
    return answer.doubt is not None or (answer.verdict is Verdict.CRASHED and b"%PDF-" in data[:1024])
