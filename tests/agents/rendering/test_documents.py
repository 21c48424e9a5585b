import pytest
from PIL import Image

from agents.rendering.verdicts import Refusal, Rendition, Verdict
from tests.agents.rendering.answers import near, picture, rendered
from tests.agents.rendering.pools import running_pool
from tests.harness.files import scan
from tests.harness.pdf_files import encrypted_pdf, letter_pdf

DAMAGED = b"%PDF-1.4\n1 0 obj\n<< >>\nendobj\n%%EOF\n"


def ink_share(image: Image.Image) -> float:
    histogram = image.convert("L").histogram()
    return sum(histogram[:128]) / sum(histogram)


def test_a_letter_shows_its_head_and_its_text() -> None:
    image = picture(letter_pdf()).convert("RGB")
    assert image.size == (212, 300)
    assert near(image.getpixel((200, 20)), (31, 74, 125))
    assert near(image.getpixel((5, 250)), (255, 255, 255))
    assert 0.1 < ink_share(image) < 0.2


def test_a_page_of_any_size_costs_the_same() -> None:
    answer = rendered(letter_pdf(box_points=(14_400, 14_400)))
    assert isinstance(answer, Rendition)
    assert (answer.width_px, answer.height_px) == (300, 300)
    assert (answer.source_width, answer.source_height) == (14_400, 14_400)


def test_a_scan_is_drawn() -> None:
    assert near(picture(scan()).convert("RGB").getpixel((100, 20)), (245, 243, 237), most=20)


def test_a_user_password_is_encrypted_and_an_empty_one_opens() -> None:
    answer = rendered(encrypted_pdf("secret"))
    assert isinstance(answer, Refusal)
    assert (answer.verdict, answer.doubt) == (Verdict.ENCRYPTED, None)
    assert ink_share(picture(encrypted_pdf(""))) > 0.1


def test_damage_after_an_encrypted_file_is_damage() -> None:
    rendered(encrypted_pdf("secret"))
    no_pages = letter_pdf().replace(b"/Kids [3 0 R] /Count 1", b"/Kids [     ] /Count 0")
    for data in (DAMAGED, no_pages):
        answer = rendered(data)
        assert answer.verdict is Verdict.CORRUPT
        assert answer.doubt is not None


def test_a_blank_page_is_no_doubt_unless_it_holds_something() -> None:
    blank = rendered(letter_pdf().replace(b"BT", b"%%").replace(b"re f", b"% f").replace(b" l S", b"% S"))
    assert isinstance(blank, Rendition)
    assert blank.doubt is None


def test_the_second_engine_draws_the_same_page() -> None:
    pytest.importorskip("pdf2image")
    first, second = picture(letter_pdf()), picture(letter_pdf(), second_opinion=True)
    assert first.size == second.size
    assert near((round(100 * ink_share(first)),), (round(100 * ink_share(second)),), most=3)


def test_the_second_engine_refuses_what_it_cannot_open() -> None:
    assert rendered(DAMAGED, second_opinion=True).verdict is Verdict.CORRUPT


async def test_the_second_engine_is_asked_in_a_child_for_this_file_alone_and_the_first_verdict_stands(
    caplog: pytest.LogCaptureFixture,
) -> None:
    caplog.set_level("INFO")
    async with running_pool() as pool:
        answer = await pool.render(DAMAGED, file_name="a.pdf", declared_mime=None)
        assert isinstance(answer, Refusal)
        assert answer.reason == "The PDF is damaged and cannot be opened."
        assert [record.getMessage().split()[0] for record in caplog.records].count("rendering.second_opinion") == 1
        assert (len(pool._crew.idle), len(pool._poppler_crew.idle)) == (1, 0)


@pytest.mark.parametrize("at", range(0, 2000, 50))
def test_damage_anywhere_is_a_verdict(at: int) -> None:
    whole = letter_pdf()
    damaged = whole[:at] + bytes(255 - byte for byte in whole[at : at + 8]) + whole[at + 8 :]
    assert rendered(damaged).verdict in {Verdict.RENDERED, Verdict.CORRUPT, Verdict.ENCRYPTED, Verdict.UNSUPPORTED}
