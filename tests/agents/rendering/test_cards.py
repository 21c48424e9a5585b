import pytest
from PIL import ImageChops

from agents.rendering import cards
from agents.rendering.verdicts import Limits, Options, Refusal, Rendition, Verdict
from tests.agents.rendering.answers import rendered
from tests.agents.rendering.pools import running_pool
from tests.harness.files import program_exe, web_page

WITH_CARDS = Limits(options=Options(cards=True))
VIDEO = b"\0\0\0\x18ftypisom\0\0\0\0isomavc1" + bytes(1000)
DOCUMENT = b"PK\3\4" + bytes(26) + b"word/document.xml"


@pytest.mark.parametrize(("data", "reason"), [(VIDEO, "a video (MP4 or QuickTime)"), (DOCUMENT, "a Word document")])
def test_a_card_stands_in_for_a_file_without_a_picture(data: bytes, reason: str) -> None:
    answer = rendered(data, name="holiday.mp4", limits=WITH_CARDS)
    assert isinstance(answer, Rendition)
    assert (answer.verdict, answer.engine) == (Verdict.UNSUPPORTED, "placeholder card")
    assert (answer.width_px, answer.height_px) == (300, 225)
    assert answer.note is not None
    assert answer.note.startswith(f"No preview is made of {reason}.")


def test_there_is_no_card_unless_it_is_asked_for() -> None:
    assert isinstance(rendered(VIDEO), Refusal)


@pytest.mark.parametrize("data", [program_exe(), web_page(), b"", bytes(range(128, 256))])
def test_programs_web_pages_and_rubbish_get_no_card(data: bytes) -> None:
    assert isinstance(rendered(data, limits=WITH_CARDS), Refusal)


@pytest.mark.parametrize(
    "name",
    [
        "",
        ".",
        "plan.docx",
        "Kündigung.docx",
        "отчёт.xlsx",
        "عرض.doc",
        "プレゼン.pptx",
        "😀\u202egpj.mp4",
        "\ud800.mp4",
        "x" * 5_000,
        "\0\n\t",
    ],
)
def test_any_name_can_be_drawn(name: str) -> None:
    family = cards.family_of("a video")
    assert family is not None
    picture = cards.card(family, "a video (AVI)", name, 1_000_000, 300)
    nameless = cards.card(family, "a video (AVI)", "", 1_000_000, 300)
    assert picture.image.size == (300, 225)
    drawn = ImageChops.difference(picture.image, nameless.image).getbbox() is not None
    assert drawn == bool(name.strip(".\0\n\t") or name == ".")


@pytest.mark.parametrize(
    ("size_bytes", "text"),
    [(0, "0 bytes"), (812, "812 bytes"), (4_700, "4.7 kB"), (48_213, "48 kB"), (9_990_000, "10.0 MB"), (25e9, "25 GB")],
)
def test_sizes_are_said_as_people_do(size_bytes: int, text: str) -> None:
    assert cards.size_text(size_bytes) == text


async def test_a_card_passes_the_parents_check_and_names_the_file_of_each_event() -> None:
    async with running_pool(WITH_CARDS, remembered_refusals=10) as pool:
        first, second = [await pool.render(VIDEO, file_name=name) for name in ("a.mp4", "b.mp4")]
    assert isinstance(first, Rendition)
    assert isinstance(second, Rendition)
    assert first.webp != second.webp
