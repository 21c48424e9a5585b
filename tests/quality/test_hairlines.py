"""Hairlines of documents: neither lost nor drawn as bars."""

import numpy as np
import pytest

from tests.agents.rendering.answers import picture
from tests.harness.pdf_files import drawn_pdf
from tests.quality.measures import Array

BOX_POINTS = 600
LINES = 11
LEAST_INK_PX, MOST_INK_PX = 0.2, 0.85


def ruled_pdf(width_points: float) -> bytes:
    """Draw a grid of black lines, none of them on a boundary of pixels."""
    strokes = [f"{width_points} w 0 G"]
    for number in range(LINES):
        at = 47.3 + 50.37 * number
        strokes += [f"{at:.2f} 20 m {at:.2f} 580 l S", f"20 {at:.2f} m 580 {at:.2f} l S"]
    return drawn_pdf("\n".join(strokes).encode(), (BOX_POINTS, BOX_POINTS))


def ink_px(darkness: Array) -> list[float]:
    """Return how wide each line is, in pixels of full black: its darkness summed across."""
    middles = (47.3 + 50.37 * np.arange(LINES)) * 300 / BOX_POINTS
    return [float(darkness[round(middle) - 4 : round(middle) + 5].sum()) for middle in middles]


@pytest.mark.parametrize("width_points", [0, 0.25, 0.5, 1])
@pytest.mark.parametrize("second_opinion", [False, True])
def test_thin_lines_stay_thin_lines(width_points: float, *, second_opinion: bool) -> None:
    page = picture(ruled_pdf(width_points), second_opinion=second_opinion).convert("L")
    darkness = 1 - np.asarray(page, dtype=float) / 255
    between = slice(26, 44)  # columns and rows that no other line crosses
    across, down = ink_px(darkness[between].mean(axis=0)), ink_px(darkness[::-1, between].mean(axis=1))
    inks = across + down
    assert min(inks) > LEAST_INK_PX
    assert max(inks) < MOST_INK_PX
