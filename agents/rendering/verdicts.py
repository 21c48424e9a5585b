"""What rendering is asked and what it answers: plain values that cross the process boundary.

Imports no codec, because the parent of the confined children reads these too.
"""

from enum import StrEnum
from typing import Literal

from msgspec import Struct


class Verdict(StrEnum):
    """What became of a file; all but `rendered` and `partial` are refusals, and permanent ones."""

    RENDERED = "rendered"
    PARTIAL = "partial"
    UNSUPPORTED = "unsupported"
    ENCRYPTED = "encrypted"
    TOO_LARGE = "too_large"
    BOMB = "bomb"
    CORRUPT = "corrupt"
    TIMEOUT = "timeout"
    CRASHED = "crashed"


class Options(Struct, frozen=True, kw_only=True):
    """What is made beside the preview itself; nothing of it by default."""

    extra_edges_px: tuple[int, ...] = ()
    """Longest sides of further pictures of the same file."""
    animation_frames: int = 0
    """Most frames of an animated preview; 0 shows animations by their first frame, as does a longer one."""
    glimpse: Literal["none", "thumbhash", "data_uri"] = "none"
    """A few bytes of text that stand in until the preview is loaded."""
    cards: bool = False
    """Draw a card (type, name, size) for a file that no picture is made of; its verdict stays `unsupported`."""


class Limits(Struct, frozen=True, kw_only=True):
    """What a preview looks like and what making one may cost."""

    max_edge_px: int = 300
    webp_quality: int = 85
    webp_method: int = 2
    max_pixels: int = 50_000_000
    """All frames of an animation summed; read from the header, before any pixel is decoded."""
    max_decode_bytes: int = 1_000_000_000
    """What decoding may take, estimated from the header by format."""
    max_answer_bytes: int = 1_000_000
    wall_seconds: float = 20.0
    cpu_seconds: int = 20
    memory_bytes: int = 1_610_612_736
    """Address space of a child; a 12 MP HEIC fails at 768 MB."""
    picture_memory_bytes: int = 900_000_000
    """What a child may grow by for a raster picture, so that it stays below 1 GB."""
    program_memory_bytes: int = 220_000_000
    """The same for a PDF or SVG, whose needs no header tells: one that is refused stays below 256 MB."""
    open_files: int = 64
    options: Options = Options()

    @property
    def largest_edge_px(self) -> int:
        """Longest side of the largest picture that is made."""
        return max(self.max_edge_px, *self.options.extra_edges_px, 0)


class Order(Struct, frozen=True, kw_only=True):
    """One job for a child; the file itself waits in the child's payload memory."""

    size_bytes: int
    file_name: str
    declared_mime: str | None
    limits: Limits
    second_opinion: bool = False


class Variant(Struct, frozen=True, kw_only=True):
    """The same picture in another size."""

    webp: bytes
    width_px: int
    height_px: int


class Rendition(Struct, frozen=True, kw_only=True, tag=True):
    """A picture made of a file.

    `note` tells what is odd about the file though it was rendered; `doubt` why another engine should have
    a look at it. Source sizes are as displayed: upright, in pixels, or in points for documents.
    """

    verdict: Verdict
    webp: bytes
    width_px: int
    height_px: int
    format: str
    source_width: int
    source_height: int
    engine: str
    variants: tuple[Variant, ...] = ()
    frames: int = 1
    glimpse: str = ""
    note: str | None = None
    doubt: str | None = None
    cpu_seconds: float = 0.0
    peak_rss_bytes: int = 0


class Refusal(Struct, frozen=True, kw_only=True, tag=True):
    """No picture, and why: `reason` is one sentence for a support agent."""

    verdict: Verdict
    reason: str
    format: str | None = None
    doubt: str | None = None
    cpu_seconds: float = 0.0
    peak_rss_bytes: int = 0


Answer = Rendition | Refusal
RENDERED_VERDICTS = frozenset({Verdict.RENDERED, Verdict.PARTIAL})
PICTURED_VERDICTS = RENDERED_VERDICTS | {Verdict.UNSUPPORTED}
"""Those that may come with a picture: of an unsupported file, a card."""


class Unrenderable(Exception):  # noqa: N818 - names the file's state, like the tree in failures.py
    """Raised inside the engines only; becomes a Refusal before it leaves the child."""

    def __init__(self, verdict: Verdict, reason: str, *, doubt: str | None = None) -> None:
        super().__init__(verdict, reason)
        self.verdict = verdict
        self.reason = reason
        self.doubt = doubt
