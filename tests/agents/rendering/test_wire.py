import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from agents.rendering import wire
from agents.rendering.verdicts import Limits, Options, Refusal, Rendition, Variant, Verdict
from agents.rendering.webp import webp_size
from tests.harness.files import photo, saved

LIMITS = Limits()
PREVIEW = Rendition(
    verdict=Verdict.RENDERED,
    webp=saved(photo((300, 225)), "WEBP"),
    width_px=300,
    height_px=225,
    format="jpeg",
    source_width=4000,
    source_height=3000,
    engine="pillow",
)


def body(answer: Rendition | Refusal) -> bytes:
    return wire.frame(answer)[wire.LENGTH.size :]


def test_an_honest_answer_passes_unchanged() -> None:
    assert wire.checked_answer(body(PREVIEW), LIMITS) == PREVIEW


@pytest.mark.parametrize(
    "lie",
    [
        {"width_px": 299},
        {"width_px": 30_000, "height_px": 30_000},
        {"verdict": Verdict.CRASHED},
        {"webp": b""},
        {"webp": saved(photo((300, 225)), "PNG")},
        {"engine": "x" * 5_000},
        {"note": "x" * 5_000},
    ],
    ids=str,
)
def test_a_lie_in_an_answer_is_garbage(lie: dict[str, object]) -> None:
    with pytest.raises(wire.Garbage):
        wire.checked_answer(body(msgspec.structs.replace(PREVIEW, **lie)), LIMITS)


LARGER = Variant(webp=saved(photo((600, 450)), "WEBP"), width_px=600, height_px=450)
MORE = Limits(options=Options(extra_edges_px=(600,), animation_frames=3))


def test_further_sizes_pass_where_they_were_asked_for() -> None:
    answer = msgspec.structs.replace(PREVIEW, variants=(LARGER,))
    assert wire.checked_answer(body(answer), MORE) == answer


@pytest.mark.parametrize(
    ("lie", "limits"),
    [
        ({"variants": (LARGER,)}, LIMITS),
        ({}, MORE),
        ({"variants": (LARGER, LARGER)}, MORE),
        ({"variants": (msgspec.structs.replace(LARGER, width_px=599),)}, MORE),
        ({"variants": (LARGER,)}, Limits(options=Options(extra_edges_px=(599,)))),
        ({"frames": 2}, LIMITS),
        ({"frames": 0}, LIMITS),
        ({"variants": (LARGER,), "frames": 2}, MORE),
        ({"variants": (LARGER,), "frames": 4}, MORE),
        ({"verdict": Verdict.UNSUPPORTED}, LIMITS),
        ({"glimpse": "x" * 5_000}, LIMITS),
    ],
    ids=lambda value: str(value)[:40] if isinstance(value, dict) else "",
)
def test_more_than_was_asked_for_is_garbage(lie: dict[str, object], limits: Limits) -> None:
    with pytest.raises(wire.Garbage):
        wire.checked_answer(body(msgspec.structs.replace(PREVIEW, **lie)), limits)


@pytest.mark.parametrize(
    "refusal",
    [
        Refusal(verdict=Verdict.RENDERED, reason="no picture after all"),
        Refusal(verdict=Verdict.CORRUPT, reason="x" * 5_000),
    ],
)
def test_a_refusal_that_is_none_of_ours_is_garbage(refusal: Refusal) -> None:
    with pytest.raises(wire.Garbage):
        wire.checked_answer(body(refusal), LIMITS)


@given(st.binary(max_size=400))
def test_no_bytes_break_the_check(data: bytes) -> None:
    with pytest.raises(wire.Garbage):
        wire.checked_answer(data, LIMITS)


@given(st.integers(0, len(PREVIEW.webp) - 1), st.binary(min_size=1, max_size=12))
def test_a_damaged_webp_is_measured_or_refused(at: int, junk: bytes) -> None:
    try:
        width, height = webp_size(PREVIEW.webp[:at] + junk + PREVIEW.webp[at + len(junk) :])
    except (ValueError, IndexError):
        return
    assert min(width, height) >= 0


@pytest.mark.parametrize("size_px", [(1, 1), (300, 1), (17, 300), (300, 300)])
@pytest.mark.parametrize(
    ("mode", "options"),
    [("RGB", {}), ("RGBA", {}), ("RGB", {"lossless": True}), ("RGBA", {"lossless": True})],
)
def test_every_kind_of_webp_is_measured(size_px: tuple[int, int], mode: str, options: dict[str, object]) -> None:
    image = Image.new(mode, size_px, (10, 20, 30, 40)[: len(mode)])
    assert webp_size(saved(image, "WEBP", **options)) == size_px
