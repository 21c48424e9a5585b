import random

import pytest

from agents.rendering.engine import render
from agents.rendering.verdicts import Limits, Order, Verdict
from bench.corpus.documents import scanned_pdf, text_pdf, vector_pdf
from bench.corpus.mix import Shares, size_of, spread
from bench.corpus.photographs import Photographs
from bench.corpus.screenshots import screenshot

FORMATS_BESIDE = 5


def drawn(seed: int) -> Photographs:
    return Photographs((), random.Random(seed))


def test_the_mix_is_what_people_send_sixty_twenty_fifteen_five() -> None:
    shares = Shares()
    assert (shares.jpeg, shares.png, shares.pdf, shares.other * FORMATS_BESIDE) == (60, 20, 15, 5)


def test_sizes_grow_by_the_same_factor_from_the_least_to_the_most() -> None:
    first, middle, last = spread(1, 24, 3)
    assert (first, last) == pytest.approx((1, 24))
    assert middle / first == pytest.approx(last / middle)
    assert spread(1, 4, 1) == pytest.approx([2])


def test_a_size_has_the_pixels_and_the_aspect_that_were_asked_for() -> None:
    width, height = size_of(12, (4, 3))
    assert width * height == pytest.approx(12e6, rel=0.01)
    assert width / height == pytest.approx(4 / 3, rel=0.01)


def test_the_same_seed_takes_the_same_photograph_and_another_seed_another_one() -> None:
    first, again, other = (drawn(seed).take((320, 240)).tobytes() for seed in (1, 1, 2))
    assert first == again
    assert first != other


def test_a_photograph_has_the_noise_of_a_camera() -> None:
    picture = drawn(1).take((320, 240)).convert("L")
    assert len(picture.crop((0, 0, 8, 8)).getcolors() or ()) > 5


def test_the_same_seed_draws_the_same_screenshot() -> None:
    first, again = (screenshot(random.Random(3), drawn(1), (640, 400)).tobytes() for _ in range(2))
    assert first == again


@pytest.mark.parametrize(
    "make",
    [lambda rng: text_pdf(rng, 2), lambda rng: vector_pdf(rng, 50), scanned_pdf],
    ids=["text", "vector", "scan"],
)
def test_every_kind_of_pdf_is_drawn_and_the_same_seed_makes_the_same(make: object) -> None:
    assert callable(make)
    data = make(random.Random(5))
    assert data == make(random.Random(5))
    order = Order(size_bytes=len(data), file_name="a.pdf", declared_mime=None, limits=Limits())
    assert render(data, order).verdict is Verdict.RENDERED
