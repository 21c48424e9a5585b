import pytest

from bench.contestants.job import Cost
from bench.corpus.mix import Source
from bench.figures import Figures, NoPreviewError, Round, percentile

SOURCES = (
    Source("a.jpeg", "jpeg", in_mix=True),
    Source("b.png", "png", in_mix=True),
    Source("c.avif", "avif", in_mix=False),
)


def costs(*milliseconds: float, output_bytes: int = 10) -> list[Cost]:
    """One cost for each source, in their order."""
    return [
        Cost(name=source.name, cpu_seconds=ms / 1000, parent_cpu_seconds=ms / 10_000, output_bytes=output_bytes)
        for source, ms in zip(SOURCES, milliseconds, strict=False)
    ]


def figures(*rounds: Round) -> Figures:
    return Figures(rounds, SOURCES)


def test_the_mix_leaves_out_what_is_only_there_for_its_format() -> None:
    measured = figures({"ours": costs(10, 20, 900), "tutorial": costs(40, 80, 1)})
    assert measured.mix_ms("ours") == pytest.approx(15)
    assert measured.mix_ratio().median == pytest.approx(0.25)
    assert measured.format_ms("ours", "avif") == pytest.approx(900)


def test_a_ratio_is_taken_within_a_round_so_that_a_slow_round_disturbs_none() -> None:
    slow = {"ours": costs(100, 200, 1), "tutorial": costs(400, 800, 1)}
    measured = figures({"ours": costs(10, 20, 1), "tutorial": costs(40, 80, 1)}, slow)
    ratio = measured.mix_ratio()
    assert (ratio.least, ratio.median, ratio.most) == pytest.approx((0.25, 0.25, 0.25))


def test_times_are_medians_over_the_rounds() -> None:
    rounds = [{"ours": costs(ms, ms, ms), "tutorial": costs(1, 1, 1)} for ms in (10, 500, 12)]
    assert figures(*rounds).format_ms("ours", "jpeg") == pytest.approx(12)


def test_ours_is_compared_with_the_fastest_peer_and_not_with_the_tutorial() -> None:
    measured = figures(
        {"ours": costs(10, 1, 1), "tutorial": costs(2, 1, 1), "sharp": costs(20, 1, 1), "vips": costs(5, 1, 1)}
    )
    ratio = measured.peer_ratio("jpeg")
    assert ratio is not None
    assert ratio.median == pytest.approx(2)
    assert measured.fastest_peer("jpeg") == "vips"


def test_a_peer_that_makes_no_preview_of_a_file_does_not_count_for_its_format() -> None:
    measured = figures({"ours": costs(10, 1, 1), "tutorial": costs(2, 1, 1), "vips": costs(5, 1, 1, output_bytes=0)})
    assert measured.format_ms("vips", "jpeg") is None
    assert measured.peer_ratio("jpeg") is None


def test_a_format_that_a_peer_was_not_given_is_none_of_its() -> None:
    assert figures({"ours": costs(1, 1, 1), "tutorial": costs(1, 1, 1), "pdf only": []}).mix_ms("pdf only") is None


def test_ours_must_make_a_preview_of_every_file() -> None:
    with pytest.raises(NoPreviewError, match=r"a\.jpeg"):
        figures({"ours": costs(1, 1, 1, output_bytes=0), "tutorial": []}).check()
    with pytest.raises(NoPreviewError):
        figures({"ours": costs(1, 1), "tutorial": []}).check()
    figures({"ours": costs(1, 1, 1), "tutorial": []}).check()


def test_the_parents_share_is_told_for_the_mix() -> None:
    assert figures({"ours": costs(10, 20, 900), "tutorial": []}).parent_ms() == pytest.approx(1.5)


def test_percentiles_lie_within_the_values() -> None:
    values = [float(value) for value in range(101)]
    assert (percentile(values, 50), percentile(values, 99)) == pytest.approx((50, 99))
