import asyncio
from typing import Literal

import pytest

from agents.genesys.links import Link
from agents.kafka.recovery import Recovered
from agents.link import CLOCK_SKEW_SECONDS, POST_START_SECONDS, LinkAgent, LinkPolicy
from agents.routing import Agent
from agents.said import LinkRow, Said
from stream.failures import Ambiguous, Failure, Held, Reason, Refused, Retryable, Stage
from stream.genesys.api import ALWAYS, Permit
from stream.messages import Attachment, Erase, Picture, Preview, decode_preview, encode
from stream.records.conversations import ConversationRow
from stream.tracing import UNTRACED, Tracer
from tests.agents.worlds import HOME, NOW, TOPICS, MemoryStore, World

POST_TIMEOUT = 10.0
PREVIEW = Preview(
    attachment=Attachment(event_id="e1", conversation_id="conversation", attachment_url="https://f.example/a.png"),
    object_key="abc/def.webp",
    picture=Picture(width_px=300, height_px=200, size_bytes=1234),
    expires_at=NOW + 3600,
)
VALUE = encode(PREVIEW)


def nothing() -> None: ...


class Conversation:
    """A conversation that notes what was said; `failures` are raised one a post, before or after it is said."""

    def __init__(self, world: World) -> None:
        self.said: list[str] = []
        self.failures: list[Failure] = []
        self.unreadable: Failure | None = None
        self.said_despite_failure = False
        self.looked = 0
        self.write_before = 0.0
        self.post_seconds = 0.0
        self.before_writing = nothing
        self._world = world

    async def post(self, link: Link, *, permit: Permit = ALWAYS) -> str:
        assert permit.before is not None
        self.write_before = permit.before
        self._world.clock.now += self.post_seconds
        self.before_writing()
        permit.ask()
        self._world.journal.append("post")
        failure = self.failures.pop(0) if self.failures else None
        if failure is None or self.said_despite_failure:
            self.said.append(link.url)
        if failure is not None:
            raise failure
        return f"m{len(self.said)}"

    async def find(self, conversation_id: str, needle: str) -> str | None:
        del conversation_id
        self.looked += 1
        if self.unreadable is not None:
            raise self.unreadable
        return next((f"m{number}" for number, url in enumerate(self.said, 1) if needle in url), None)


class Bench:
    def __init__(
        self,
        *,
        idempotent: bool = False,
        reads_back_all: bool = True,
        uncertain_post: Literal["repeat", "park"] = "park",
        tracer: Tracer = UNTRACED,
    ) -> None:
        self.world = World(tracer=tracer)
        self.owned_seconds = 30.0
        self.conversation = Conversation(self.world)
        self.store = MemoryStore(self.world.journal)
        self.store.objects[PREVIEW.object_key] = b"webp"
        policy = LinkPolicy(
            post_timeout_seconds=POST_TIMEOUT,
            idempotent=idempotent,
            reads_back_all=reads_back_all,
            uncertain_post=uncertain_post,
        )
        said = Said(
            self.world.links,
            self.world.due,
            lifecycle_topic=TOPICS.lifecycle,
            lifetime_seconds=7200,
            clock=self.world.clock,
        )
        link = LinkAgent(
            topics=TOPICS,
            poster=self.conversation,
            store=self.store,
            said=said,
            conversations=self.world.conversations,
            results=self.world.results,
            send=self.world.send,
            policy=policy,
            retry=self.world.policy,
            metrics=self.world.metrics,
            clock=self.world.clock,
            owned_seconds=lambda: self.owned_seconds,
        )
        self.agent = Agent(stage=Stage.LINK, decode=decode_preview, run=link.run)

    async def deliver(self, headers: dict[str, bytes] | None = None) -> None:
        await self.world.run(self.agent, VALUE, headers)


async def test_a_preview_is_said_once_and_its_outcome_names_the_message() -> None:
    bench = Bench()
    await bench.deliver()
    (outcome,) = bench.world.outcomes()
    assert (outcome.outcome, outcome.verdict, outcome.message_id) == ("linked", "rendered", "m1")
    assert outcome.preview_url == bench.conversation.said[0]
    assert outcome.picture == PREVIEW.picture


async def test_the_outcome_names_the_very_address_that_was_posted_however_long_the_post_took() -> None:
    bench = Bench()
    bench.conversation.post_seconds = 3.0
    await bench.deliver()
    (outcome,) = bench.world.outcomes()
    assert [outcome.preview_url] == bench.conversation.said


async def test_the_row_is_acknowledged_before_the_post_and_sent_after_it() -> None:
    bench = Bench()
    await bench.deliver()
    journal = bench.world.journal
    assert journal.index("links sending") < journal.index("post") < journal.index("links sent")
    assert journal.index("due put") < journal.index("post")


@pytest.mark.parametrize(("owned_seconds", "start_seconds"), [(30.0, POST_START_SECONDS), (4.0, 4.0), (0.0, 0.0)])
async def test_a_post_starts_only_while_its_partition_is_certainly_ours(
    owned_seconds: float, start_seconds: float
) -> None:
    bench = Bench()
    bench.owned_seconds = owned_seconds
    await bench.deliver()
    assert bench.conversation.write_before == NOW + start_seconds


@pytest.mark.parametrize(
    ("failure", "late"),
    [
        (None, 1),
        (Ambiguous("lost", "timeout"), 1),
        (Retryable(Reason.GENESYS_UNAVAILABLE, "certainly not said"), 0),
    ],
)
async def test_a_post_that_may_have_been_written_after_others_gave_up_waiting_is_counted(
    failure: Failure | None, late: int
) -> None:
    bench = Bench()
    bench.conversation.failures = [failure] if failure else []
    bench.conversation.post_seconds = POST_START_SECONDS + POST_TIMEOUT + CLOCK_SKEW_SECONDS + 1
    await bench.deliver()
    assert bench.world.metrics.late_posts._value.get() == late


async def test_a_second_delivery_says_nothing_and_repeats_the_outcome() -> None:
    bench = Bench()
    await bench.deliver()
    await bench.deliver()
    assert len(bench.conversation.said) == 1
    assert [outcome.message_id for outcome in bench.world.outcomes()] == ["m1", "m1"]


async def test_after_a_crash_in_the_post_the_delivery_waits_until_no_post_can_be_under_way() -> None:
    bench = Bench()
    not_before = NOW + POST_START_SECONDS + POST_TIMEOUT + CLOCK_SKEW_SECONDS
    await bench.world.links.put(2, "e1", LinkRow(state="sending", not_before=not_before))
    await bench.deliver()
    assert bench.conversation.said == []
    assert bench.conversation.looked == 0
    rows = bench.world.waiting()
    assert [row.due_at for row in rows.values()] == [not_before]


@pytest.mark.parametrize("was_said", [True, False])
async def test_then_it_reads_the_conversation_back_and_says_only_what_was_not_said(was_said: bool) -> None:  # noqa: FBT001
    bench = Bench()
    if was_said:
        bench.conversation.said.append("https://cdn.example/abc/def.webp?signed=before-the-crash")
    await bench.world.links.put(2, "e1", LinkRow(state="sending", not_before=NOW - 1))
    await bench.deliver()
    assert len(bench.conversation.said) == 1
    assert bench.conversation.looked == 1
    (outcome,) = bench.world.outcomes()
    assert outcome.message_id == "m1"


async def test_an_ambiguous_post_that_was_carried_out_is_not_repeated() -> None:
    bench = Bench()
    bench.conversation.failures = [Ambiguous("dropped after the commit", "dropped")]
    bench.conversation.said_despite_failure = True
    await bench.deliver()
    row = bench.world.links.get(2, "e1")
    assert row is not None
    bench.world.clock.now = row.not_before + 1
    await bench.deliver({"attempt": b"2"})
    assert len(bench.conversation.said) == 1
    (outcome,) = bench.world.outcomes()
    assert outcome.attempt == 2


@pytest.mark.parametrize(
    "failure",
    [Held.by_rate_limit(2.0), Retryable(Reason.GENESYS_UNAVAILABLE, "refused"), Refused(Reason.GENESYS_REFUSED, "400")],
)
async def test_a_post_that_certainly_was_not_carried_out_needs_no_reading_back(failure: Failure) -> None:
    bench = Bench()
    bench.conversation.failures = [failure]
    try:
        await bench.deliver()
    except Held:
        assert isinstance(failure, Held)
    assert bench.world.links.get(2, "e1") is None
    await bench.deliver()
    assert bench.conversation.looked == 0
    assert len(bench.conversation.said) == 1


async def test_a_cancelled_post_leaves_its_row() -> None:
    bench = Bench()
    stuck = asyncio.Event()

    async def post(link: Link, *, permit: Permit = ALWAYS) -> str:
        del link, permit
        stuck.set()
        await asyncio.Future()
        return ""

    bench.conversation.post = post  # type: ignore[method-assign]
    job = asyncio.create_task(bench.deliver())
    await stuck.wait()
    job.cancel()
    await asyncio.gather(job, return_exceptions=True)
    row = bench.world.links.get(2, "e1")
    assert row is not None
    assert row.state == "sending"


async def test_a_preview_whose_object_is_gone_goes_back_to_be_rendered() -> None:
    bench = Bench()
    bench.store.objects.clear()
    await bench.deliver()
    (again,) = bench.world.to("attachments")
    assert again.value == encode(PREVIEW.attachment)
    assert again.headers["attempt"] == b"2"
    assert bench.conversation.said == []
    assert bench.world.outcomes() == []


async def test_rendering_again_ends_after_the_last_attempt() -> None:
    bench = Bench()
    bench.store.objects.clear()
    await bench.deliver({"attempt": b"3"})
    (letter,) = bench.world.dead_letters()
    assert letter.reason == "preview_missing"


async def test_rendering_again_ends_although_each_rendering_begins_with_a_first_attempt() -> None:
    bench = Bench()
    bench.store.objects.clear()
    await bench.deliver({"renders": b"2"})
    (again,) = bench.world.to("attachments")
    assert again.headers["renders"] == b"3"
    await bench.deliver({"renders": b"3"})
    (letter,) = bench.world.dead_letters()
    assert letter.reason == "preview_missing"


async def test_an_expired_preview_is_not_posted() -> None:
    bench = Bench()
    bench.world.clock.now = PREVIEW.expires_at
    await bench.deliver()
    assert bench.conversation.said == []
    assert len(bench.world.to("attachments")) == 1


async def test_attributes_need_no_row() -> None:
    bench = Bench(idempotent=True)
    await bench.deliver()
    assert "links sending" not in bench.world.journal
    assert len(bench.world.outcomes()) == 1


async def test_the_row_is_to_be_forgotten_when_the_event_can_no_longer_come_again() -> None:
    bench = Bench()
    await bench.deliver()
    row = bench.world.waiting()["forget/e1"]
    assert row.due_at == NOW + 7200
    assert row.topic == "lifecycle"


async def test_the_trace_reaches_the_outcome() -> None:
    bench = Bench()
    await bench.deliver({"traceparent": b"00-1"})
    (record,) = bench.world.to("results")
    assert record.headers["traceparent"] == b"00-1"


async def erase(bench: Bench) -> None:
    await bench.world.conversations.begin_to_erase(HOME, Erase(conversation_id="conversation"))


async def test_nothing_is_posted_into_an_erased_conversation() -> None:
    bench = Bench()
    await erase(bench)
    await bench.deliver()
    assert bench.conversation.said == []
    assert [(one.outcome, one.verdict) for one in bench.world.outcomes()] == [("rejected", "erased")]


async def test_a_post_that_waits_for_its_turn_while_its_conversation_is_erased_is_not_made() -> None:
    bench = Bench()
    row = ConversationRow(state="erased", order_id="o", at=NOW)
    bench.conversation.before_writing = lambda: bench.world.conversation_rows.apply(
        [Recovered(HOME, 0, b"conversation", encode(row))]
    )
    await bench.deliver()
    assert bench.conversation.said == []
    assert [one.verdict for one in bench.world.outcomes()] == ["erased"]
    assert list(bench.world.links.items(HOME)) == []


async def test_what_was_said_before_the_erasure_ends_as_linked() -> None:
    bench = Bench()
    await bench.world.links.put(HOME, "e1", LinkRow(state="sent", message_id="m1"))
    await erase(bench)
    await bench.deliver()
    (outcome,) = bench.world.outcomes()
    assert (outcome.outcome, outcome.message_id, outcome.picture, outcome.preview_url) == ("linked", "m1", None, None)


async def test_an_interrupted_post_of_an_erased_conversation_asks_no_operator() -> None:
    bench = Bench()
    bench.conversation.unreadable = Refused(Reason.GENESYS_REFUSED, "no")
    await bench.world.links.put(HOME, "e1", LinkRow(state="sending", not_before=NOW - 1))
    await erase(bench)
    await bench.deliver()
    assert bench.world.dead_letters() == []
    assert [one.verdict for one in bench.world.outcomes()] == ["erased"]
