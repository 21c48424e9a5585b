"""Rendering in the test's own process, and looking at what came out."""

from io import BytesIO

from PIL import Image

from agents.rendering import engine
from agents.rendering.verdicts import Limits, Order, Refusal, Rendition


def rendered(
    data: bytes,
    *,
    name: str = "",
    mime: str | None = None,
    limits: Limits | None = None,
    second_opinion: bool = False,
) -> Rendition | Refusal:
    """Run the engine on bytes."""
    order = Order(
        size_bytes=len(data),
        file_name=name,
        declared_mime=mime,
        limits=limits or Limits(),
        second_opinion=second_opinion,
    )
    return engine.render(data, order)


def picture(data: bytes, *, limits: Limits | None = None, second_opinion: bool = False) -> Image.Image:
    """Render and decode, expecting a picture."""
    answer = rendered(data, limits=limits, second_opinion=second_opinion)
    assert isinstance(answer, Rendition), answer
    return Image.open(BytesIO(answer.webp), formats=["WEBP"])


def near(left: object, right: tuple[int, ...], most: int = 12) -> bool:
    """Compare two colours."""
    assert isinstance(left, tuple)
    return len(left) == len(right) and all(abs(a - b) <= most for a, b in zip(left, right, strict=True))
