"""Steps that are repeated in place where it is safe: downloads and renderings change nothing."""

from dataclasses import dataclass

from agents.download import Download
from agents.render import Renderer
from agents.rendering.verdicts import Answer
from agents.source import Fetch
from stream.in_place import Repeat


@dataclass(frozen=True, slots=True)
class RepeatedFetch:
    """A download that is repeated in place."""

    fetch_once: Fetch
    repeat: Repeat

    async def fetch(self, url: str, *, sha256: str | None = None) -> Download:
        """Download one file."""
        return await self.repeat(lambda: self.fetch_once.fetch(url, sha256=sha256))


@dataclass(frozen=True, slots=True)
class RepeatedRenderer:
    """A rendering that is repeated in place when no child could take the file."""

    renderer: Renderer
    repeat: Repeat

    async def render(
        self, data: bytes, *, file_name: str, declared_mime: str | None, sha256: bytes | None = None
    ) -> Answer:
        """Return a picture or a refusal."""
        return await self.repeat(
            lambda: self.renderer.render(data, file_name=file_name, declared_mime=declared_mime, sha256=sha256)
        )
