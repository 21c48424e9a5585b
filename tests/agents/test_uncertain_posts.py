"""Posts of which it is not known whether they were made: counted by kind, parked or repeated, never guessed."""

import pytest

from agents.link import CLOCK_SKEW_SECONDS, POST_START_SECONDS
from agents.said import LinkRow
from stream.failures import Ambiguous, Failure, Held, Reason, Refused, Retryable
from tests.agents.test_link import POST_TIMEOUT, PREVIEW, Bench
from tests.agents.worlds import NOW

NOT_ALLOWED = Held(Reason.PERMISSION_MISSING, "get_bodies needs conversation:message:view", 20.0)
NOT_THERE = Refused(Reason.CONVERSATION_CLOSED, "get_history answered 404")
UNREADABLE = pytest.mark.parametrize("unreadable", [NOT_ALLOWED, NOT_THERE, None], ids=["403", "404", "agentless"])


async def interrupted(bench: Bench, unreadable: Failure | None) -> None:
    """Leave the row of a worker that was killed as it posted; None is a mode that posts where nobody looks."""
    bench.conversation.unreadable = unreadable
    await bench.world.links.put(2, "e1", LinkRow(state="sending", not_before=NOW - 1))


def in_doubt(unreadable: Failure | None, *, repeat: bool = False) -> Bench:
    return Bench(reads_back_all=unreadable is not None, uncertain_post="repeat" if repeat else "park")


def ambiguous(bench: Bench) -> dict[str, float]:
    (metric,) = bench.world.metrics.posts_ambiguous.collect()
    return {one.labels["kind"]: one.value for one in metric.samples if one.name.endswith("_total")}


def suppressed(bench: Bench) -> float | None:
    return bench.world.metrics.registry.get_sample_value("previews_post_duplicate_suppressed_total")


@UNREADABLE
async def test_what_cannot_be_read_back_is_parked_and_says_why(unreadable: Failure | None) -> None:
    bench = in_doubt(unreadable)
    await interrupted(bench, unreadable)
    await bench.deliver()
    (letter,) = bench.world.dead_letters()
    assert letter.reason == "post_unverified"
    assert (unreadable.message if unreadable else "another conversation") in letter.message
    assert bench.conversation.said == []
    journal = bench.world.journal
    assert journal.index("send dead-letters") == len(journal) - 1  # behind the row that knows of it


@UNREADABLE
async def test_the_replay_of_a_parked_preview_posts_it_without_asking_again(unreadable: Failure | None) -> None:
    bench = in_doubt(unreadable)
    await interrupted(bench, unreadable)
    await bench.deliver()
    await bench.deliver({"replays": b"1"})
    assert len(bench.conversation.said) == 1
    assert len(bench.world.dead_letters()) == 1
    (outcome,) = bench.world.outcomes()
    assert outcome.message_id == "m1"


@UNREADABLE
async def test_by_setting_it_is_posted_again_instead(unreadable: Failure | None) -> None:
    bench = in_doubt(unreadable, repeat=True)
    await interrupted(bench, unreadable)
    await bench.deliver()
    assert len(bench.conversation.said) == 1
    assert bench.world.dead_letters() == []


async def test_a_copy_of_a_parked_record_is_no_order_to_post() -> None:
    bench = in_doubt(NOT_THERE)
    await interrupted(bench, NOT_THERE)
    await bench.deliver({"replays": b"1"})
    await bench.deliver({"replays": b"1"})
    assert bench.conversation.said == []
    assert len(bench.world.dead_letters()) == 2


async def test_a_replay_of_what_is_known_to_be_said_posts_nothing() -> None:
    bench = in_doubt(NOT_THERE)
    await interrupted(bench, NOT_THERE)
    await bench.deliver()
    await bench.world.links.put(2, "e1", LinkRow(state="sent", message_id="m7"))
    await bench.deliver({"replays": b"1"})
    assert bench.conversation.said == []
    (outcome,) = bench.world.outcomes()
    assert outcome.message_id == "m7"


async def test_a_replay_finds_what_can_be_read_by_then() -> None:
    bench = in_doubt(NOT_ALLOWED)
    bench.conversation.said.append(f"https://cdn.example/{PREVIEW.object_key}")
    await interrupted(bench, NOT_ALLOWED)
    await bench.deliver()
    bench.conversation.unreadable = None
    await bench.deliver({"replays": b"1"})
    assert len(bench.conversation.said) == 1
    assert suppressed(bench) == 1


async def test_the_order_to_post_outlives_a_try_that_certainly_failed() -> None:
    bench = in_doubt(NOT_THERE)
    await interrupted(bench, NOT_THERE)
    await bench.deliver()
    bench.conversation.failures = [Retryable(Reason.GENESYS_UNAVAILABLE, "refused")]
    await bench.deliver({"replays": b"1"})
    await bench.deliver()  # a copy of the event has no such order, and must not take it for one
    assert bench.conversation.said == []
    await bench.deliver({"replays": b"1", "attempt": b"2"})
    assert len(bench.conversation.said) == 1
    assert len(bench.world.dead_letters()) == 2


async def test_a_replayed_post_whose_answer_is_lost_is_parked_again() -> None:
    bench = in_doubt(NOT_THERE)
    await interrupted(bench, NOT_THERE)
    await bench.deliver()
    bench.conversation.failures = [Ambiguous("lost", "timeout")]
    await bench.deliver({"replays": b"1"})
    bench.world.clock.now = NOW + POST_START_SECONDS + POST_TIMEOUT + CLOCK_SKEW_SECONDS + 1
    await bench.deliver({"replays": b"1", "attempt": b"2", "tried-since": b"1000000.0"})
    assert bench.conversation.said == []
    assert [letter.replays for letter in bench.world.dead_letters()] == [0, 1]


async def test_a_look_that_has_to_wait_parks_nothing() -> None:
    bench = in_doubt(NOT_THERE)
    await interrupted(bench, Held.by_rate_limit(3.0))
    with pytest.raises(Held):
        await bench.deliver()
    assert bench.world.dead_letters() == []
    assert ambiguous(bench) == {}


@pytest.mark.parametrize("kind", ["timeout", "dropped", "server_error", "without_id"])
async def test_each_lost_answer_is_counted_once_by_its_kind(kind: str) -> None:
    bench = Bench()
    bench.conversation.failures = [Ambiguous("lost", kind)]
    bench.conversation.said_despite_failure = True
    await bench.deliver()
    bench.world.clock.now = NOW + POST_START_SECONDS + POST_TIMEOUT + CLOCK_SKEW_SECONDS + 1
    (again,) = [row for name, row in bench.world.waiting().items() if name.startswith("again/")]
    await bench.deliver({name: value for name, value in again.headers if value is not None})
    assert ambiguous(bench) == {kind: 1}
    assert suppressed(bench) == 1


async def test_a_post_that_was_interrupted_is_counted_by_the_one_who_looks() -> None:
    bench = Bench()
    await interrupted(bench, None)
    await bench.deliver()
    assert ambiguous(bench) == {"interrupted": 1}


async def test_what_was_found_once_is_known_from_then_on() -> None:
    bench = Bench()
    await interrupted(bench, None)
    bench.conversation.said.append(f"https://cdn.example/{PREVIEW.object_key}")
    await bench.deliver()
    await bench.deliver()
    assert bench.conversation.looked == 1
    assert suppressed(bench) == 2


async def test_a_post_that_was_made_too_late_is_counted() -> None:
    bench = Bench()
    bench.conversation.post_seconds = POST_START_SECONDS + POST_TIMEOUT + CLOCK_SKEW_SECONDS + 1
    await bench.deliver()
    assert ambiguous(bench) == {"late": 1}


async def test_a_post_that_went_well_is_not_ambiguous() -> None:
    bench = Bench()
    await bench.deliver()
    await bench.deliver()
    assert ambiguous(bench) == {}
    assert suppressed(bench) == 1
