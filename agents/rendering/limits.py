"""What a preview may cost and what is made beside it, from the settings."""

from math import ceil
from typing import Final

from agents.rendering.verdicts import Limits, Options
from agents.settings import RenderSettings

ANSWER_BYTES: Final = 1_000_000  # a preview of 300 pixels has 15,000
BYTES_PER_PIXEL: Final = 3


def limits_of(settings: RenderSettings) -> Limits:
    """Return the limits of each order that a pool gives."""
    options = Options(
        extra_edges_px=settings.render_extra_edges_px,
        animation_frames=settings.render_animation_frames if settings.render_animated else 0,
        glimpse=settings.render_placeholder_hash,
        cards=settings.render_placeholders,
    )
    edges_px = (settings.render_max_edge_px, *options.extra_edges_px)
    return Limits(
        max_edge_px=settings.render_max_edge_px,
        webp_quality=settings.render_webp_quality,
        max_pixels=settings.render_max_pixels,
        max_answer_bytes=ANSWER_BYTES + BYTES_PER_PIXEL * sum(edge_px**2 for edge_px in edges_px),
        wall_seconds=settings.render_timeout_seconds,
        cpu_seconds=ceil(settings.render_timeout_seconds),
        memory_bytes=settings.render_memory_bytes,
        options=options,
    )
