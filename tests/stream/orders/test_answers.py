from collections.abc import Iterator
from typing import Any, Literal

import pytest
from msgspec.structs import replace

from stream.messages import (
    ConversationRecord,
    DeadLetter,
    Erase,
    Expire,
    Hold,
    LifecycleRecord,
    Outcome,
    Release,
    Result,
    encode,
    order_id,
)
from stream.orders.answers import Report, answered
from tests.stream.letters import LETTER

State = Literal["erased", "held", "released", "refused"]


def answer(of: str, state: State = "erased", **more: Any) -> ConversationRecord:
    return ConversationRecord(order_id=of, conversation_id="c", command="erase", state=state, at=1.0, **more)


def test_each_order_is_known_by_its_id_and_nothing_is_read_once_all_are_answered() -> None:
    orders = [Erase(conversation_id="c", order_id="1"), Hold(conversation_id="d", order_id="2")]

    def seen() -> Iterator[Result | DeadLetter]:
        yield answer("others")
        yield Outcome(event_id="1", conversation_id="c", outcome="linked", verdict="rendered", finished_at=1.0)
        yield LifecycleRecord(event_id="2", conversation_id="c", object_key="k", state="erased", at=1.0)
        yield answer("2", "refused", reason="the conversation is erased")
        yield answer("2", "held")
        yield LETTER
        yield answer("1", previews=3)
        pytest.fail("read on")

    assert list(answered(orders, seen())) == [
        Report(conversation_id="d", order_id="2", command="hold", state="refused", reason="the conversation is erased"),
        Report(conversation_id="c", order_id="1", command="erase", state="erased", previews=3),
    ]
    assert list(answered([], seen())) == []


def test_an_order_without_an_answer_is_not_told_of() -> None:
    orders = [Erase(conversation_id="c", order_id="1"), Release(conversation_id="d", order_id="2")]
    assert [one.order_id for one in answered(orders, [answer("2", "released")])] == ["2"]


def test_a_dead_letter_is_an_order_s_by_its_original_bytes() -> None:
    order, foreign = Erase(conversation_id="c", order_id="1"), Erase(conversation_id="c", by="crm", ordered_at=1.0)
    no_orders = (
        b"junk",
        b'{"conversationId":"c"}',
        encode(Expire(event_id="1", conversation_id="c", object_key="k", expires_at=1.0)),
    )
    letters = [replace(LETTER, payload=payload) for payload in (*no_orders, encode(order), encode(foreign))]
    (of_order, of_foreign) = answered([order, foreign], letters)
    assert (of_order.state, of_order.reason, of_order.is_done) == ("dead_letter", "genesys_refused: no", False)
    assert (of_foreign.order_id, of_foreign.state) == (order_id(foreign), "dead_letter")
