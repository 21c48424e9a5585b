import pytest
from hypothesis import given
from hypothesis import strategies as st

from agents.genesys.text import MAX_TEXT_CHARACTERS, message_text, own_text
from tests.agents.genesys.conftest import URL, link

FULL = "Preview of {file_name} ({format}, {size_bytes} bytes): {url} – enjoy"
TEMPLATES = st.sampled_from(["{url}", "Preview generated: {url}", FULL, "{file_name}{file_name} {url}", "{{x}} {url}"])


def test_the_default_template_says_where_the_preview_is() -> None:
    assert message_text("Preview generated: {url}", link()) == f"Preview generated: {URL}"


def test_all_values_are_filled_in() -> None:
    assert message_text(FULL, link()) == f"Preview of Ünïcode scan.pdf (webp, 4321 bytes): {URL} – enjoy"


@pytest.mark.parametrize("name", ["{url}", "{file_name.__class__}", "{0}", "{", "}}", "%s"])
def test_a_file_name_is_never_read_as_a_template(name: str) -> None:
    assert message_text("{file_name}: {url}", link(file_name=name)) == f"{name}: {URL}"


@given(TEMPLATES, st.text(max_size=5_000), st.integers(0, 2_500))
def test_a_text_fits_and_always_holds_the_whole_address(template: str, name: str, url_characters: int) -> None:
    url = "https://cdn.example.com/" + "k" * url_characters
    text = message_text(template, link(file_name=name, url=url))
    assert url in text
    assert len(text) <= max(MAX_TEXT_CHARACTERS, len(url))


def test_the_file_name_is_cut_before_the_words() -> None:
    words = "w" * 1_900
    text = message_text(f"{words} {{file_name}} {{url}}", link(file_name="n" * 300))
    assert text.startswith(words)
    assert text.endswith(URL)
    assert "…" in text


def test_control_characters_of_a_file_name_become_spaces() -> None:
    assert message_text("{file_name} {url}", link(file_name="a\r\n\x00\u202eb")) == f"a b {URL}"


@given(TEMPLATES, st.text(max_size=300))
def test_our_own_texts_are_recognised(template: str, name: str) -> None:
    assert own_text(template).fullmatch(message_text(template, link(file_name=name)))


@pytest.mark.parametrize("text", ["Hello", "Preview generated: soon", "I got: Preview generated: https://x/y", ""])
def test_the_guests_texts_are_not_ours(text: str) -> None:
    assert own_text("Preview generated: {url}").fullmatch(text) is None
