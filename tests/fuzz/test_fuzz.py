"""A short run of `make fuzz-bridge`, and its judge, which must find what it is there to find."""

import json
import os
import time
from pathlib import Path

import pytest

from tests.fuzz.__main__ import fuzz
from tests.fuzz.cases import Case, case
from tests.fuzz.judge import Judge
from tests.fuzz.vitals import Vitals
from tests.fuzz.wire import Answer, Exchange, MalformedAnswerError, parsed
from tests.harness.kafka import RealKafka

CASE = Case("bodies", [b"x"], asked=["x"])
PROBLEM = {"content-type": "application/problem+json"}


@pytest.mark.system
@pytest.mark.timeout(240)
def test_nothing_unexpected_comes_of_hostile_requests(kafka: RealKafka, tmp_path: Path) -> None:
    judge = fuzz(tmp_path, kafka, 2_000, seed=2)
    assert judge.findings == []
    assert judge.requests >= 2_000
    assert judge.accepted
    assert {200, 202, 400, 401, 404, 405, 415, 422} <= set(judge.statuses)


def test_a_seed_sends_the_same_again_and_another_seed_does_not() -> None:
    now = time.time()
    assert [case(number, 1, now) for number in range(50)] == [case(number, 1, now) for number in range(50)]
    assert [case(number, 1, now) for number in range(50)] != [case(number, 2, now) for number in range(50)]


@pytest.mark.parametrize(
    "answer",
    [
        Answer(500, PROBLEM, b'{"code":"internal"}'),
        Answer(500, {}, b"Internal server error"),
        Answer(502, {}, b""),
        Answer(418, PROBLEM, b'{"code":"teapot"}'),
        Answer(400, PROBLEM, b'{"code":"teapot"}'),
        Answer(202, {}, b'{"status":"queued","eventId":"forbidden-1"}'),
        Answer(202, {}, b'{"status":"queued","eventId":"a","eventIds":["a","smuggled-1"]}'),
    ],
)
def test_an_answer_that_must_not_be_is_found(answer: Answer) -> None:
    judge = Judge()
    judge.exchanged(CASE, Exchange((answer,), b""))
    assert len(judge.findings) == 1


@pytest.mark.parametrize(
    "answer",
    [
        Answer(400, PROBLEM, b'{"code":"not_json"}'),
        Answer(400, {}, b""),
        Answer(431, {}, b""),
        Answer(503, PROBLEM, b'{"code":"overloaded"}'),
        Answer(202, {}, b'{"status":"queued","eventId":"a"}'),
        Answer(200, {}, b""),
    ],
)
def test_an_answer_that_may_be_is_none(answer: Answer) -> None:
    judge = Judge()
    judge.exchanged(CASE, Exchange((answer,), b""))
    assert judge.findings == []


def test_silence_on_a_good_request_is_found_and_silence_on_a_bad_one_is_none() -> None:
    judge = Judge()
    judge.exchanged(CASE, Exchange((), b""))
    assert len(judge.findings) == 1
    judge.exchanged(Case("garbage", [b"x"]), Exchange((), b""))
    assert len(judge.findings) == 1
    judge.exchanged(Case("garbage", [b"x"]), Exchange((), b"HTTP/1.1 20"))
    assert len(judge.findings) == 2


def test_what_kafka_lacks_and_what_it_must_not_hold_is_found() -> None:
    judge = Judge(accepted={"a", "b"})
    judge.kafka_holds(["a", "c", "smuggled-d"])
    assert len(judge.findings) == 2


def test_errors_and_broken_lines_of_the_log_are_found() -> None:
    judge = Judge()
    lines = [json.dumps({"level": level}) for level in ("info", "warning", "error", "critical")]
    judge.logged([*lines, "Traceback (most recent call last):", '"half"', ""])
    assert len(judge.findings) == 5


def test_answers_are_cut_apart_by_their_lengths() -> None:
    head = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\nX-Request-Id: a\r\n\r\n"
    exchange = parsed(b"HTTP/1.1 100 Continue\r\n\r\n" + head + b"{}" + head + head + b"{}" + b"HTTP/1.1 20")
    assert [(answer.body, answer.request_id) for answer in exchange.answers] == [(b"{}", "a"), (b"", "a"), (b"{}", "a")]
    assert exchange.cut == b"HTTP/1.1 20"
    with pytest.raises(MalformedAnswerError):
        parsed(b"SSH-2.0\r\n\r\n")


def test_the_vitals_of_this_process_can_be_seen(tmp_path: Path) -> None:
    before = Vitals.of(os.getpid())
    with (tmp_path / "file").open("w"):
        assert Vitals.of(os.getpid()).open_files == before.open_files + 1
    assert before.rss_bytes > 1_000_000
