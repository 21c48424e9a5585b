import io
import json
import logging
import time
import warnings
from collections.abc import Iterator
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from stream.logs import OURS, JsonFormatter, TextFormatter, configure_logging, mask
from stream.settings import Secret

FIELD_VALUES = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(),
    st.floats(),
    st.text(st.characters()),
    st.binary(),
    st.just(Secret("hidden")),
)


@pytest.fixture
def _logging_restored() -> Iterator[None]:
    root = logging.getLogger()
    handlers, level = root.handlers[:], root.level
    yield
    logging.captureWarnings(capture=False)
    root.handlers[:] = handlers
    root.setLevel(level)
    for name in OURS:
        logging.getLogger(name).setLevel(logging.NOTSET)


def record_of(message: str, *args: object, **fields: object) -> logging.LogRecord:
    record = logging.LogRecord("stream.test", logging.INFO, __file__, 1, message, args, None)
    vars(record).update(fields)
    return record


def json_of(message: str, *args: object, **fields: object) -> dict[str, Any]:
    line: dict[str, Any] = json.loads(JsonFormatter().format(record_of(message, *args, **fields)))
    return line


def test_a_line_is_one_json_object_with_the_event_and_its_fields() -> None:
    line = json_of("attachment.linked", event_id="evt-1", attempt=2)
    assert line.pop("at").endswith("+00:00")
    assert line == {
        "level": "info",
        "event": "attachment.linked",
        "logger": "stream.test",
        "event_id": "evt-1",
        "attempt": 2,
    }


@given(st.dictionaries(st.sampled_from(["event_id", "file_name", "event", "level", "at"]), FIELD_VALUES))
def test_any_field_gives_one_line_of_valid_json(fields: dict[str, Any]) -> None:
    text = JsonFormatter().format(record_of("job.done", **fields))
    line = json.loads(text, parse_constant=lambda name: pytest.fail(f"{name} is not JSON"))
    assert "\n" not in text
    assert line["event"] == "job.done"
    assert "hidden" not in text


def test_a_field_never_replaces_the_event() -> None:
    assert json_of("job.done", event="other")["event"] == "job.done"
    assert json_of("job.done", event="other")["event_"] == "other"


def test_an_error_is_told_with_its_traceback_on_the_same_line() -> None:
    error = ValueError("broken\nin two")
    record = logging.LogRecord("x", logging.ERROR, __file__, 1, "job.bug", (), (ValueError, error, None))
    text = JsonFormatter().format(record)
    assert "\n" not in text
    assert "ValueError: broken" in json.loads(text)["error"]


def test_text_shows_pairs_and_cannot_be_split_by_a_file_name() -> None:
    text = TextFormatter().format(record_of("attachment.linked", file_name="a\nFAKE ERROR line"))
    assert text.endswith('INFO attachment.linked file_name="a\\nFAKE ERROR line"')
    assert "\n" not in text
    assert "\n" not in TextFormatter().format(record_of("said %s", "one\r\ntwo"))


@pytest.mark.parametrize(
    "told",
    [
        "PUT https://cdn.example.com/k?X-Amz-Credential=SECRET%2Feu&X-Amz-Signature=SECRET&X-Amz-Expires=60",
        "https://user:SECRET@s3.example.com/bucket",
        "Authorization: Bearer SECRETSECRETSECRETSECRET",
        "authorization: Basic SECRETSECRETSECRETSECRET=",
        "grant_type=client_credentials&client_secret=SECRET",
        "https://files.example.com/a?sig=1&access_token=SECRET",
    ],
)
def test_credentials_that_others_quote_are_masked(told: str) -> None:
    assert "SECRET" in told
    assert "SECRET" not in mask(told)
    assert "SECRET" not in JsonFormatter().format(record_of("http.failed", detail=told))
    assert "SECRET" not in TextFormatter().format(record_of("http.failed %s", told))


def test_masking_keeps_what_is_needed_to_find_the_fault() -> None:
    assert mask("https://u:p@h.example.com/k?X-Amz-Expires=60&X-Amz-Signature=abc") == (
        "https://***@h.example.com/k?X-Amz-Expires=60&X-Amz-Signature=***"
    )


@pytest.mark.parametrize("hostile", ["a." * 50_000, "token" * 20_000, "://" * 30_000, "basic " * 20_000, "a" * 100_000])
def test_masking_a_long_hostile_line_takes_no_time(hostile: str) -> None:
    began = time.process_time()
    mask(hostile)
    assert time.process_time() - began < 1.0


@pytest.mark.usefixtures("_logging_restored")
def test_others_are_heard_from_warning_and_ours_from_the_level_asked_for() -> None:
    out = io.StringIO()
    configure_logging("INFO", "json", out)
    logging.getLogger("aiokafka.consumer").info("noise")
    logging.getLogger("aiokafka.consumer").warning("trouble")
    logging.getLogger("stream.bridge").info("bridge.started")
    logging.getLogger("agents.link").debug("detail")
    assert [json.loads(line)["event"] for line in out.getvalue().splitlines()] == ["trouble", "bridge.started"]


@pytest.mark.usefixtures("_logging_restored")
def test_warnings_of_python_become_log_lines() -> None:
    out = io.StringIO()
    configure_logging("ERROR", "text", out)
    configure_logging("INFO", "text", out)
    with warnings.catch_warnings():
        warnings.simplefilter("always")
        logging.captureWarnings(capture=False)
        logging.captureWarnings(capture=True)
        warnings.warn("old thing", UserWarning, stacklevel=1)
    assert "old thing" in out.getvalue()
