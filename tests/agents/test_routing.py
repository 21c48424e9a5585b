import msgspec
import pytest
from msgspec import structs

from agents.guard import BadDeployError
from agents.routing import SUCCESSOR_SECONDS, Agent, Task
from stream.failures import Failure, Held, Postponed, Reason, Refused, Rejected, Retryable, Stage
from stream.messages import Attachment, decode_attachment, encode
from tests.agents.worlds import NOW, World, at_home

ATTACHMENT = Attachment(
    event_id="e1", conversation_id="conversation", attachment_url="https://files.example/a.png", file_name="a.png"
)
VALUE = encode(ATTACHMENT)


def agent(failure: Exception | None, at: Stage = Stage.DOWNLOAD) -> Agent[Attachment]:
    async def run(task: Task[Attachment]) -> None:
        with task.progress.at(at):
            if failure is not None:
                raise failure

    return Agent(stage=Stage.DOWNLOAD, decode=decode_attachment, run=run)


async def test_a_retryable_failure_waits_in_the_due_table_with_its_attempt_counted() -> None:
    world = World()
    await world.run(agent(Retryable(Reason.SOURCE_TIMEOUT, "slow")), VALUE, {"traceparent": b"00-1"})
    (row,) = world.waiting().values()
    assert row.topic == "topic"
    assert row.value == VALUE
    assert NOW <= row.due_at <= NOW + 10
    assert dict(row.headers)["attempt"] == b"2"
    assert dict(row.headers)["traceparent"] == b"00-1"
    assert world.sent == []


async def test_a_retry_is_never_earlier_than_the_other_side_asked_for() -> None:
    world = World()
    await world.run(agent(Retryable(Reason.GENESYS_UNAVAILABLE, "busy", retry_after_seconds=77.0)), VALUE)
    (row,) = world.waiting().values()
    assert NOW + 77.0 <= row.due_at <= NOW + 87.0


async def test_the_last_attempt_becomes_a_dead_letter_with_the_original_bytes() -> None:
    world = World()
    headers = {"attempt": b"3", "first-at": b"900000.0", "replays": b"1"}
    await world.run(agent(Retryable(Reason.SOURCE_TIMEOUT, "slow")), VALUE, headers)
    (letter,) = world.dead_letters()
    assert letter.reason == "retries_exhausted"
    assert "source_timeout" in letter.message
    assert letter.stage == "download"
    assert letter.payload == VALUE
    assert (letter.origin.topic, letter.origin.partition, letter.origin.offset) == ("topic", 2, 40)
    assert (letter.attempt, letter.replays, letter.first_at, letter.last_at) == (3, 1, 900000.0, NOW)
    assert letter.event_id == "e1"
    assert world.waiting() == {}


async def test_a_rejection_is_an_outcome_and_no_dead_letter() -> None:
    world = World()
    await world.run(agent(Rejected(Reason.ENCRYPTED, "the PDF asks for a password")), VALUE)
    (outcome,) = world.outcomes()
    assert (outcome.outcome, outcome.verdict, outcome.event_id) == ("rejected", "encrypted", "e1")
    assert outcome.reason == "the PDF asks for a password"
    assert world.dead_letters() == []


async def test_a_refusal_is_a_dead_letter_at_once() -> None:
    world = World()
    await world.run(agent(Refused(Reason.GENESYS_REFUSED, "400"), Stage.LINK), VALUE)
    (letter,) = world.dead_letters()
    assert (letter.reason, letter.stage) == ("genesys_refused", "link")


async def test_a_postponed_record_keeps_its_attempt() -> None:
    world = World()
    await world.run(agent(Postponed(Reason.POST_UNCERTAIN, "wait", NOW + 30)), VALUE, {"attempt": b"2"})
    (row,) = world.waiting().values()
    assert row.due_at == NOW + 30
    assert dict(row.headers)["attempt"] == b"2"


async def test_a_hold_reaches_the_lane() -> None:
    world = World()
    with pytest.raises(Held):
        await world.run(agent(Held.by_rate_limit(3.0)), VALUE)
    assert world.sent == []
    assert world.waiting() == {}


async def test_a_bug_is_tried_again_and_ends_as_a_dead_letter_not_as_a_crash() -> None:
    world = World()
    await world.run(agent(ZeroDivisionError("bug")), VALUE)
    assert len(world.waiting()) == 1
    await world.run(agent(ZeroDivisionError("bug")), VALUE, {"attempt": b"3"})
    (letter,) = world.dead_letters()
    assert "ZeroDivisionError" in letter.message


@pytest.mark.parametrize("value", [None, b"", b"\x00\xff", b"[]", b'{"conversationId":7}', b'{"conversationId":"c"}'])
async def test_a_record_that_is_not_ours_becomes_a_dead_letter(value: bytes | None) -> None:
    world = World()
    await world.run(agent(None), value)
    (letter,) = world.dead_letters()
    assert (letter.reason, letter.stage) == ("undecodable", "decode")
    assert letter.payload == (value or b"")


async def test_a_redelivered_record_replaces_its_own_waiting_row() -> None:
    world = World()
    for _ in range(2):
        await world.run(agent(Retryable(Reason.SOURCE_TIMEOUT, "slow")), VALUE)
    assert len(world.waiting()) == 1


@pytest.mark.parametrize("failure", [Rejected(Reason.CORRUPT, "x"), Refused(Reason.INTERNAL, "y")])
async def test_every_failure_ends_in_exactly_one_place(failure: Failure) -> None:
    world = World()
    await world.run(agent(failure), VALUE)
    assert len(world.outcomes()) + len(world.dead_letters()) + len(world.waiting()) == 1


async def test_a_message_without_event_id_gets_the_computed_one() -> None:
    world = World()
    value = msgspec.json.encode({"conversationId": "c", "attachmentUrl": "https://x.example/a", "fileName": "a"})
    await world.run(agent(Rejected(Reason.EMPTY, "no bytes")), value)
    (outcome,) = world.outcomes()
    assert outcome.event_id == decode_attachment(value).event_id != ""


async def test_a_try_that_the_other_side_put_off_costs_no_attempt_but_its_age_goes_on() -> None:
    world = World()
    asked = agent(Retryable(Reason.SOURCE_UNAVAILABLE, "busy", retry_after_seconds=60.0))
    await world.run(asked, VALUE)
    (row,) = world.waiting().values()
    headers = dict(row.headers)
    assert headers["attempt"] == b"1"
    world.clock.now += 941.0  # of the 1,000 s that the policy allows
    await world.run(asked, VALUE, headers)
    (letter,) = world.dead_letters()
    assert letter.reason == "retries_exhausted"
    assert "941 s after the first" in letter.message
    assert (letter.attempt, letter.first_at) == (1, NOW)


async def test_a_replay_is_tried_again_however_old_its_first_failure_is() -> None:
    world = World()
    await world.run(agent(Retryable(Reason.SOURCE_TIMEOUT, "slow")), VALUE, {"first-at": b"5.0", "replays": b"1"})
    (row,) = world.waiting().values()
    assert dict(row.headers)["first-at"] == b"5.0"
    assert dict(row.headers)["tried-since"] == repr(NOW).encode()


async def test_nothing_is_done_while_what_an_agent_needs_cannot_be_had() -> None:
    world = World()
    ran: list[Attachment] = []

    async def run(task: Task[Attachment]) -> None:
        ran.append(task.message)

    def ready() -> None:
        raise Held(Reason.CIRCUIT_OPEN, "calls to storage wait", 5.0)

    with pytest.raises(Held):
        await world.run(Agent(stage=Stage.DOWNLOAD, decode=decode_attachment, run=run, ready=ready), VALUE)
    assert ran == []
    assert world.waiting() == {}


def of_conversation(name: str) -> bytes:
    return encode(structs.replace(ATTACHMENT, conversation_id=at_home(name), event_id=name))


@pytest.mark.parametrize("attempt", [1, 3])
@pytest.mark.parametrize("failure", [Refused(Reason.GENESYS_REFUSED, "400"), ZeroDivisionError("bug")])
async def test_once_the_guard_has_tripped_the_worker_stops_and_nothing_of_ours_is_given_up(
    failure: Exception, attempt: int
) -> None:
    world = World()  # its guard trips at two conversations
    headers = {"attempt": str(attempt).encode()}
    await world.run(agent(failure), of_conversation("one"), headers)
    assert world.stopped_by == []
    given_up = len(world.dead_letters())
    for name in ("two", "three"):
        await world.run(agent(failure), of_conversation(name), headers)
        assert isinstance(world.stopped_by[-1], BadDeployError)
        assert of_conversation(name) in [row.value for row in world.waiting().values()]
    assert len(world.dead_letters()) == given_up


async def test_the_record_that_trips_the_guard_keeps_its_attempt() -> None:
    world = World()
    await world.run(agent(Refused(Reason.GENESYS_REFUSED, "400")), of_conversation("one"))
    await world.run(agent(Refused(Reason.GENESYS_REFUSED, "400")), of_conversation("two"), {"attempt": b"2"})
    (row,) = world.waiting().values()
    assert dict(row.headers)["attempt"] == b"2"
    assert row.due_at == NOW + SUCCESSOR_SECONDS


async def test_what_is_not_ours_is_given_up_as_ever_and_trips_no_guard() -> None:
    world = World()
    for number in range(10):
        value = of_conversation(f"c{number}")
        await world.run(agent(Refused(Reason.CONVERSATION_CLOSED, "over")), value)
        await world.run(agent(Retryable(Reason.SOURCE_TIMEOUT, "slow")), value, {"attempt": b"3"})
        await world.run(agent(Rejected(Reason.CORRUPT, "cut off")), value)
        await world.run(agent(None), b"junk")
    assert len(world.dead_letters()) == 30
    assert len(world.outcomes()) == 10
    assert world.guard.share == 0.0


PRODUCERS = {"traceparent": b"00-1", "ce_id": b"e1", "ce_type": b"attachment.received", "content-type": b"text/plain"}


@pytest.mark.parametrize(
    ("failure", "topic"),
    [(Rejected(Reason.CORRUPT, "cut off"), "results"), (Refused(Reason.GENESYS_REFUSED, "no"), "dead-letters")],
)
async def test_the_trace_reaches_outcomes_and_dead_letters_and_the_attributes_of_the_event_do_not(
    failure: Failure, topic: str
) -> None:
    world = World()
    await world.run(agent(failure), VALUE, PRODUCERS)
    (record,) = world.to(topic)
    assert record.headers["traceparent"] == b"00-1"
    assert not record.headers.keys() & {"ce_id", "ce_type", "content-type"}


async def test_a_dead_letter_keeps_every_header_of_its_record_for_a_replay() -> None:
    world = World()
    await world.run(agent(Refused(Reason.GENESYS_REFUSED, "no")), VALUE, PRODUCERS)
    (letter,) = world.dead_letters()
    assert letter.headers == PRODUCERS
