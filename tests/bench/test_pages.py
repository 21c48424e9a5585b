import xml.etree.ElementTree as ET

from bench.pages import bars, table, with_section

SVG = "{http://www.w3.org/2000/svg}"


def test_a_section_is_put_at_the_end_of_a_page_and_replaced_in_its_place_afterwards() -> None:
    page = with_section("# Benchmarks\n", "render", "old")
    page = with_section(page, "pipeline", "other")
    renewed = with_section(page, "render", "new")
    assert renewed == page.replace("old", "new")
    assert renewed.index("new") < renewed.index("other")


def test_writing_the_same_section_again_changes_nothing() -> None:
    page = with_section("# Benchmarks\n", "render", "text")
    assert with_section(page, "render", "text") == page


def test_what_people_wrote_around_a_section_stays() -> None:
    page = with_section("before", "render", "old") + "after\n"
    assert with_section(page, "render", "new").startswith("before")
    assert with_section(page, "render", "new").endswith("after\n")


def test_a_table_aligns_its_figures_to_the_right() -> None:
    assert table(["a", "b"], [["x", "1"]]).splitlines() == ["| a | b |", "| --- | ---: |", "| x | 1 |"]


def test_the_plot_has_a_bar_for_each_figure_as_long_as_the_figure() -> None:
    svg = bars("title <&>", {"jpeg": {"ours": 1.0, "peer": 2.0}, "pdf": {"ours": 0.5}}, ["ours", "peer"])
    widths = [float(bar.attrib["width"]) for bar in ET.fromstring(svg).iter(f"{SVG}rect") if "y" in bar.attrib]
    _, *_, first, second, third = widths
    assert (first / second, third / second) == (0.5, 0.25)
