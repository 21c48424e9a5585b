from collections import Counter

import pytest
from hypothesis import given
from hypothesis import strategies as st

from agents.row_names import forget_row
from agents.tables.due import DueRow
from stream.growth.places import Move, Owners, Rows, conversations_plan, due_plan, links_plan, owners
from stream.messages import Expire, Forget, encode
from stream.records.homes import partition_of

CONVERSATIONS = [f"conversation-{number}".encode() for number in range(40)]
keys = st.sampled_from(CONVERSATIONS)


def forgetting(event: str, key: bytes) -> bytes:
    return encode(DueRow(due_at=1.0, topic="lifecycle", key=key, value=encode(Forget(event_id=event))))


def tables(events: dict[str, bytes], partitions: int) -> tuple[Rows, Rows]:
    """Return the rows of links and due as a worker writes them."""
    links: dict[int, dict[bytes, bytes]] = {}
    due: dict[int, dict[bytes, bytes]] = {}
    for event, key in events.items():
        at = partition_of(key, partitions)
        links.setdefault(at, {})[event.encode()] = b'{"version":1,"state":"sent"}'
        due.setdefault(at, {})[forget_row(event).encode()] = forgetting(event, key)
    return links, due


def moved(rows: Rows, moves: list[Move]) -> Rows:
    after = {at: dict(held) for at, held in rows.items()}
    for move in moves:
        after.setdefault(move.target, {})[move.key] = after[move.source].pop(move.key)
    return {at: held for at, held in after.items() if held}


# Kafka's own Utils.murmur2 test values, see tests/contract/test_brokers.py.
@pytest.mark.parametrize(("key", "hashed"), [(b"21", -973932308), (b"foobar", -790332482)])
def test_a_key_belongs_where_javas_clients_send_it(key: bytes, hashed: int) -> None:
    assert partition_of(key, 64) == (hashed & 0x7FFFFFFF) % 64


@given(st.dictionaries(st.text(min_size=1, max_size=8), keys), st.integers(1, 9), st.integers(0, 20))
def test_rows_lie_after_any_growth_as_if_there_had_always_been_as_many_partitions(
    events: dict[str, bytes], before: int, more: int
) -> None:
    links, due = tables(events, before)
    grown_links, grown_due = tables(events, before + more)
    of_links, of_due = links_plan(links, owners(due, []), before + more), due_plan(due, before + more)
    assert moved(links, of_links.moves) == grown_links
    assert moved(due, of_due.moves) == grown_due
    assert not links_plan(grown_links, owners(grown_due, []), before + more).moves


@given(st.sets(keys), st.integers(1, 9), st.integers(0, 20))
def test_what_is_ordered_of_a_conversation_lies_where_its_records_go(ids: set[bytes], before: int, more: int) -> None:
    def table(partitions: int) -> Rows:
        rows: dict[int, dict[bytes, bytes]] = {}
        for name in ids:
            rows.setdefault(partition_of(name, partitions), {})[name] = b"row"
        return rows

    assert moved(table(before), conversations_plan(table(before), before + more).moves) == table(before + more)
    assert not conversations_plan(table(before + more), before + more).moves


def test_a_row_whose_order_to_forget_waits_in_lifecycle_moves_by_that_order() -> None:
    key = next(key for key in CONVERSATIONS if partition_of(key, 4) != partition_of(key, 8))
    at = partition_of(key, 4)
    known = owners({}, [(at, key, encode(Forget(event_id="e"))), (at, key, b"junk"), (at, None, None)])
    assert [move.target for move in links_plan({at: {b"e": b"row"}}, known, 8).moves] == [partition_of(key, 8)]
    other = Expire(event_id="e", conversation_id="c", object_key="k", expires_at=1.0)
    assert not owners({}, [(at, key, encode(other))])


@pytest.mark.parametrize("value", [b"junk", b"[]", b'{"key":7}', b"{}"])
def test_what_is_no_row_of_ours_stays(value: bytes) -> None:
    assert due_plan({0: {b"theirs": value}}, 8) == ([], 0)


def test_a_row_of_a_version_to_come_moves_as_it_is() -> None:
    key = next(key for key in CONVERSATIONS if partition_of(key, 8) == 5)
    value = forgetting("e", key).replace(b'"version":1', b'"version":2,"later":true')
    assert due_plan({1: {b"forget/e": value}}, 8).moves == [Move(b"forget/e", value, 1, 5)]


def test_nothing_is_written_over_another_row_and_an_interrupted_run_is_finished() -> None:
    known: Owners = {(0, b"e"): CONVERSATIONS[0], (1, b"e"): CONVERSATIONS[0]}
    target = partition_of(CONVERSATIONS[0], 64)
    assert target > 1
    assert links_plan({0: {b"e": b"old"}, target: {b"e": b"new"}}, known, 64) == ([], 1)
    assert links_plan({0: {b"e": b"row"}, target: {b"e": b"row"}}, known, 64).moves == [Move(b"e", b"row", 0, target)]
    of_two = links_plan({0: {b"e": b"one"}, 1: {b"e": b"two"}}, known, 64)
    assert (Counter(move.target for move in of_two.moves), of_two.left) == ({target: 1}, 1)
