import pytest

from agents.download.answers import failure_of, redirect_location, retry_after_seconds
from agents.download.wire import Answer
from stream.failures import Reason, Rejected, Retryable

NOW = 1_800_000_000.0


def answer(status: int, body: bytes = b"x", **headers: str) -> Answer:
    return Answer(status, {name.replace("_", "-"): value for name, value in headers.items()}, body, "")


@pytest.mark.parametrize(
    ("status", "reason"),
    [
        (301, Reason.SOURCE_REFUSED),  # without a Location
        (206, Reason.SOURCE_REFUSED),  # a part that nobody asked for
        (400, Reason.SOURCE_REFUSED),
        (401, Reason.SOURCE_GONE),
        (403, Reason.SOURCE_GONE),
        (404, Reason.SOURCE_GONE),
        (405, Reason.SOURCE_REFUSED),
        (410, Reason.SOURCE_GONE),
        (451, Reason.SOURCE_REFUSED),
    ],
)
def test_a_final_answer_rejects_the_file(status: int, reason: Reason) -> None:
    failure = failure_of(answer(status), NOW)
    assert isinstance(failure, Rejected)
    assert failure.reason is reason


@pytest.mark.parametrize("status", [408, 425, 429, 500, 502, 503, 504, 599])
def test_an_answer_that_may_pass_is_tried_again(status: int) -> None:
    failure = failure_of(answer(status, retry_after="7"), NOW)
    assert isinstance(failure, Retryable)
    assert failure.reason is Reason.SOURCE_UNAVAILABLE
    assert failure.retry_after_seconds == 7


def test_a_file_is_no_failure_and_an_empty_one_is() -> None:
    assert failure_of(answer(200), NOW) is None
    failure = failure_of(answer(200, b""), NOW)
    assert isinstance(failure, Rejected)
    assert failure.reason is Reason.EMPTY


def test_a_file_may_say_what_it_likes() -> None:
    assert failure_of(answer(200, b"<Error><Code>ExpiredToken</Code></Error>"), NOW) is None


@pytest.mark.parametrize("status", [400, 403])
def test_an_expired_signature_is_told_from_a_refusal(status: int) -> None:
    failure = failure_of(answer(status, b"<Error><Code>ExpiredToken</Code></Error>"), NOW)
    assert failure is not None
    assert failure.reason is Reason.SOURCE_GONE
    assert "expired" in failure.message


@pytest.mark.parametrize(
    ("text", "seconds"),
    [
        ("120", 120.0),
        ("0", 0.0),
        ("-5", 0.0),
        ("999999999999", 3600.0),
        ("Fri, 15 Jan 2027 08:01:00 GMT", 60.0),
        ("Fri, 15 Jan 2020 08:01:00 GMT", 0.0),
        ("soon", 0.0),
        ("", 0.0),
    ],
)
def test_retry_after_is_read_in_both_forms_and_bounded(text: str, seconds: float) -> None:
    assert retry_after_seconds({"retry-after": text}, NOW) == seconds


def test_only_redirects_with_a_location_are_followed() -> None:
    assert redirect_location(answer(302, location="/b")) == "/b"
    assert redirect_location(answer(302)) is None
    assert redirect_location(answer(200, location="/b")) is None
    assert redirect_location(answer(304, location="/b")) is None
