import io
import json

import pytest

from stream.__main__ import parser
from stream.console import Console
from stream.messages import Erase, Hold, decode_lifecycle_command
from stream.orders.answers import Report, report
from stream.orders.command import orders_of, send, tell
from tests.stream.outgoing import OutgoingRecords

NOW = 1_790_000_000.0


def told(one: Report, *, as_json: bool = False) -> tuple[str, str]:
    out, errors = io.StringIO(), io.StringIO()
    tell(one, Console(out, io.BytesIO(), errors, io.StringIO()), as_json=as_json)
    return out.getvalue(), errors.getvalue()


def test_each_conversation_gets_one_order_with_an_id_of_its_own() -> None:
    options = parser().parse_args(["hold", "c", "d", "c", "--by", "ada", "--note", "case 7"])
    orders = orders_of(options, lambda: NOW)
    assert [(type(one), one.conversation_id, one.by, one.note, one.ordered_at) for one in orders] == [
        (Hold, name, "ada", "case 7", NOW) for name in ("c", "d")
    ]
    assert len({one.order_id for one in orders}) == 2


def test_whoever_is_logged_in_has_ordered_it_where_nobody_else_is_named() -> None:
    (order,) = orders_of(parser().parse_args(["erase", "c"]), lambda: NOW)
    assert order.by
    (unnamed,) = orders_of(parser().parse_args(["erase", "c", "--by", ""]), lambda: NOW)
    assert unnamed.by == ""


def test_orders_of_the_longest_texts_can_be_read_by_workers() -> None:
    long = ["ü" * 256, "--by", "b" * 256, "--note", "n" * 1024]
    orders = orders_of(parser().parse_args(["erase", *long]), lambda: NOW)
    producer = OutgoingRecords()
    assert send(producer, "lifecycle", orders) == {}
    ((topic, value, key, _),) = producer.sent
    assert (topic, key, decode_lifecycle_command(value or b"")) == ("lifecycle", ("ü" * 256).encode(), orders[0])


def test_it_is_said_which_orders_kafka_has_not_acknowledged() -> None:
    orders = [Erase(conversation_id=name, order_id=name) for name in ("kept", "lost")]
    problems = send(OutgoingRecords(refused_bytes=b'"lost"'), "lifecycle", orders)
    assert list(problems) == ["lost"]
    assert list(send(OutgoingRecords(silent=True), "lifecycle", orders)) == ["kept", "lost"]


@pytest.mark.parametrize(
    ("state", "previews", "said"),
    [
        ("erased", 3, "c: erased: 3 previews"),
        ("held", 1, "c: held: 1 preview"),
        ("released", 0, "c: released: 0 previews"),
        ("ordered", 0, "c: ordered, as 1"),
    ],
)
def test_what_was_carried_out_is_the_result(state: str, previews: int, said: str) -> None:
    one = report(Erase(conversation_id="c", order_id="1"), state, previews=previews)
    assert told(one) == (f"{said}\n", "")
    assert one.is_done


@pytest.mark.parametrize(
    ("state", "said"),
    [
        ("refused", "c\\x1b: refused: why\\x1b\n"),
        ("dead_letter", "c\\x1b: the order became a dead letter, to be replayed once that is mended: why\\x1b\n"),
        ("unsent", "c\\x1b: not ordered, as far as is known: why\\x1b\n"),
    ],
)
def test_what_was_not_carried_out_is_complained_of_with_its_reason(state: str, said: str) -> None:
    one = report(Erase(conversation_id="c\x1b", order_id="1"), state, "why\x1b")
    assert told(one) == ("", said)
    assert not one.is_done


def test_an_order_without_an_answer_stands() -> None:
    _, said = told(report(Erase(conversation_id="c", order_id="1"), "unanswered"))
    assert "no answer in time. The order stands in Kafka and is carried out once a worker runs" in said


def test_as_json_every_order_is_a_line_of_the_result() -> None:
    out, errors = told(report(Erase(conversation_id="c", order_id="1"), "refused", "held"), as_json=True)
    line = {"conversationId": "c", "orderId": "1", "command": "erase", "state": "refused", "previews": 0}
    assert (json.loads(out), errors) == (line | {"reason": "held"}, "")
