import hashlib

import pytest
from msgspec import structs

from agents.download import Download
from agents.render import RenderAgent
from agents.rendering.verdicts import Answer, Refusal, Rendition, Variant, Verdict
from agents.routing import Agent
from agents.row_names import expiry_row
from agents.source import Source
from stream.failures import Failure, Held, Reason, Rejected, Retryable, Stage
from stream.genesys.history import Media
from stream.messages import (
    Attachment,
    decode_attachment,
    decode_preview,
    encode,
)
from stream.settings import Secret
from stream.tracing import UNTRACED, Tracer
from tests.agents.worlds import NOW, TOPICS, MemoryStore, World

TTL = 600.0
PICTURE = Rendition(
    verdict=Verdict.RENDERED,
    webp=b"RIFFwebp",
    width_px=300,
    height_px=200,
    format="png",
    source_width=600,
    source_height=400,
    engine="pillow",
)


def attachment(**fields: object) -> Attachment:
    return Attachment(
        event_id="e1",
        conversation_id="conversation",
        **{"attachment_url": "https://files.example/a.png", "file_name": "a.png", **fields},  # type: ignore[arg-type]
    )


class Web:
    """Addresses and what fetching them gives."""

    def __init__(self) -> None:
        self.answers: dict[str, bytes | Failure] = {"https://files.example/a.png": b"png bytes"}
        self.fetched: list[str] = []

    async def fetch(self, url: str, *, sha256: str | None = None) -> Download:
        del sha256
        self.fetched.append(url)
        answer = self.answers.get(url, Rejected(Reason.SOURCE_GONE, "404"))
        if isinstance(answer, Failure):
            raise answer
        return Download(answer, "image/png", hashlib.sha256(answer).hexdigest())


class Api:
    """What Genesys knows of addresses."""

    def __init__(self) -> None:
        self.fresh: str | None = None
        self.failure: Failure | None = None
        self.files: tuple[Media, ...] = ()

    async def media(self, conversation_id: str, message_id: str) -> tuple[Media, ...]:
        del conversation_id, message_id
        if self.failure is not None:
            raise self.failure
        return self.files

    def is_api_address(self, url: str) -> bool:
        return url.startswith("https://api.example/")

    async def download_address(self, url: str) -> str:
        if self.failure is not None:
            raise self.failure
        return url.replace("api.example", "storage.example")

    async def fresh_address(self, attachment: Attachment) -> str | None:
        return self.fresh if attachment.message_id else None


class Renderer:
    def __init__(self) -> None:
        self.answer: Answer = PICTURE

    async def render(
        self, data: bytes, *, file_name: str, declared_mime: str | None, sha256: bytes | None = None
    ) -> Answer:
        del file_name, declared_mime
        assert sha256 == hashlib.sha256(data).digest()
        return self.answer


class Bench:
    def __init__(self, tracer: Tracer = UNTRACED) -> None:
        self.world = World(tracer=tracer)
        self.web = Web()
        self.api = Api()
        self.renderer = Renderer()
        self.store = MemoryStore(self.world.journal)
        self.agent = self.agent_of(TTL)
        self.lifecycle = self.world.lifecycle_agent(self.store)

    def agent_of(self, ttl_seconds: float) -> Agent[Attachment]:
        """Return an agent whose previews live so long, before these tables."""
        agent = RenderAgent(
            topics=TOPICS,
            source=Source(self.web, self.api, self.world.clock),
            renderer=self.renderer,
            store=self.store,
            due=self.world.due,
            conversations=self.world.conversations,
            results=self.world.results,
            send=self.world.send,
            key_secret=Secret("0123456789abcdef"),
            render_version="1",
            ttl_seconds=ttl_seconds,
            metrics=self.world.metrics,
            clock=self.world.clock,
        )
        return Agent(stage=Stage.DOWNLOAD, decode=decode_attachment, run=agent.run)

    async def deliver(self, event: Attachment, headers: dict[str, bytes] | None = None) -> None:
        await self.world.run(self.agent, encode(event), headers)

    async def expire(self) -> None:
        """Let time pass, and carry out the command that is due then."""
        (row,) = [row for key, row in self.world.waiting().items() if key.startswith("expire/")]
        self.world.clock.now = row.due_at
        await self.world.due.sweep()
        await self.world.run(self.lifecycle, row.value)


async def test_an_attachment_becomes_a_stored_object_and_a_preview() -> None:
    bench = Bench()
    await bench.deliver(attachment())
    (record,) = bench.world.to("previews")
    preview = decode_preview(record.value or b"")
    assert bench.store.objects == {preview.object_key: b"RIFFwebp"}
    assert preview.expires_at == NOW + TTL
    assert preview.attachment == attachment()
    assert (record.key, record.partition) == (b"conversation", None)
    assert [entry.state for entry in bench.world.lifecycle()] == ["stored"]


async def test_the_expiry_row_is_acknowledged_before_the_object_is_put() -> None:
    bench = Bench()
    await bench.deliver(attachment())
    journal = bench.world.journal
    assert journal.index("due put") < journal.index("object put") < journal.index("send previews")


async def test_rendering_twice_stores_one_object() -> None:
    bench = Bench()
    await bench.deliver(attachment())
    await bench.deliver(attachment())
    assert len(bench.store.objects) == 1
    assert len(bench.world.waiting()) == 1


async def test_a_refusal_is_the_outcome_with_its_verdict_and_stores_nothing() -> None:
    bench = Bench()
    bench.renderer.answer = Refusal(verdict=Verdict.BOMB, reason="50,000 x 50,000 pixels")
    await bench.deliver(attachment())
    (outcome,) = bench.world.outcomes()
    assert (outcome.outcome, outcome.verdict, outcome.reason) == ("rejected", "bomb", "50,000 x 50,000 pixels")
    assert bench.store.objects == {}


async def test_further_sizes_are_stored_and_expire_one_by_one() -> None:
    bench = Bench()
    variants = (
        Variant(webp=b"larger", width_px=600, height_px=400),
        Variant(webp=b"largest", width_px=900, height_px=600),
    )
    bench.renderer.answer = structs.replace(PICTURE, variants=variants)
    await bench.deliver(attachment())
    (record,) = bench.world.to("previews")
    preview = decode_preview(record.value or b"")
    stored = [(preview.object_key, b"RIFFwebp")]
    stored += [(variant.object_key, variants[at].webp) for at, variant in enumerate(preview.picture.variants)]
    assert dict(stored) == bench.store.objects
    assert len(bench.store.objects) == 3
    assert sorted(bench.world.waiting()) == sorted(expiry_row(key) for key, _ in stored)
    for variant in preview.picture.variants:
        assert variant.object_key in variant.url


async def test_a_card_is_posted_like_a_preview_and_says_what_became_of_the_file() -> None:
    bench = Bench()
    reason = "No preview is made of a Word document."
    bench.renderer.answer = structs.replace(PICTURE, verdict=Verdict.UNSUPPORTED, format="", note=reason)
    await bench.deliver(attachment())
    (record,) = bench.world.to("previews")
    picture = decode_preview(record.value or b"").picture
    assert (picture.verdict, picture.note) == ("unsupported", reason)
    assert bench.world.outcomes() == []


@pytest.mark.parametrize("verdict", [verdict for verdict in Verdict if verdict not in {"rendered", "partial"}])
async def test_every_verdict_has_a_reason_code(verdict: Verdict) -> None:
    bench = Bench()
    bench.renderer.answer = Refusal(verdict=verdict, reason="because")
    await bench.deliver(attachment())
    (outcome,) = bench.world.outcomes()
    assert outcome.verdict == verdict


async def test_storage_that_is_down_is_tried_again_later() -> None:
    bench = Bench()
    bench.store.failing = Retryable(Reason.STORAGE_FULL, "no space")
    await bench.deliver(attachment())
    again = [row for key, row in bench.world.waiting().items() if key.startswith("again/")]
    assert len(again) == 1
    assert bench.world.to("previews") == []


async def test_a_file_behind_the_api_is_fetched_through_the_download_hop() -> None:
    bench = Bench()
    bench.web.answers["https://storage.example/d/1"] = b"bytes"
    await bench.deliver(attachment(attachment_url="https://api.example/d/1"))
    assert bench.web.fetched == ["https://storage.example/d/1"]
    assert len(bench.world.to("previews")) == 1


async def test_a_file_gone_at_its_source_is_asked_for_again_by_its_message() -> None:
    bench = Bench()
    bench.web.answers = {"https://files.example/fresh": b"bytes"}
    bench.api.fresh = "https://files.example/fresh"
    await bench.deliver(attachment(message_id="m1"))
    assert len(bench.world.to("previews")) == 1


@pytest.mark.parametrize("message_id", [None, "m1"])
async def test_a_file_gone_for_good_is_rejected_as_gone(message_id: str | None) -> None:
    bench = Bench()
    bench.web.answers = {}
    await bench.deliver(attachment(message_id=message_id))
    (outcome,) = bench.world.outcomes()
    assert outcome.verdict == "source_gone"


async def test_an_attachment_known_by_its_message_alone_is_fetched() -> None:
    bench = Bench()
    bench.web.answers = {"https://files.example/fresh": b"bytes"}
    bench.api.fresh = "https://files.example/fresh"
    bench.api.files = (Media(id="f1", file_name="named-by-genesys.png"),)
    await bench.deliver(attachment(attachment_url="", message_id="m1"))
    (record,) = bench.world.to("previews")
    assert decode_preview(record.value or b"").attachment.file_name == "named-by-genesys.png"


async def test_further_files_of_a_message_become_events_of_their_own_with_ids_that_stay() -> None:
    bench = Bench()
    bench.web.answers = {"https://files.example/fresh": b"bytes"}
    bench.api.fresh = "https://files.example/fresh"
    bench.api.files = (Media(id="f1", file_name="a.png"), Media(id="f2", file_name="b.png"), Media(id="f3"))
    for _ in range(2):
        await bench.deliver(attachment(attachment_url="", message_id="m1"))
    (first, *_) = bench.world.to("previews")
    assert decode_preview(first.value or b"").attachment.event_id == "e1"
    announced = [decode_attachment(record.value or b"") for record in bench.world.to("attachments")]
    assert [each.attachment_id for each in announced] == ["f2", "f3", "f2", "f3"]
    assert len({each.event_id for each in announced} | {"e1"}) == 3


async def test_the_preview_knows_how_often_its_file_was_rendered_again() -> None:
    bench = Bench()
    await bench.deliver(attachment(), {"renders": b"2", "attempt": b"7"})
    (record,) = bench.world.to("previews")
    assert record.headers == {"event-id": b"e1", "renders": b"2"}


async def test_further_files_of_a_replayed_message_are_replayed_too() -> None:
    bench = Bench()
    bench.api.files = (Media(id="f1", file_name="a.png"), Media(id="f2", file_name="b.png"))
    headers = {"replays": b"1", "attempt": b"2", "traceparent": b"00-trace", "ce_id": b"e1"}
    await bench.deliver(attachment(attachment_url="", message_id="m1"), headers)
    (announced,) = bench.world.to("attachments")
    assert announced.headers == {"replays": b"1", "traceparent": b"00-trace"}


async def test_a_message_without_files_is_rejected_as_gone() -> None:
    bench = Bench()
    await bench.deliver(attachment(attachment_url="", message_id="m1"))
    (outcome,) = bench.world.outcomes()
    assert outcome.verdict == "source_gone"


async def test_a_genesys_hold_in_the_hop_postpones_this_record_and_not_the_lane() -> None:
    bench = Bench()
    bench.api.failure = Held(Reason.RATE_LIMITED, "slow down", 30.0)
    await bench.deliver(attachment(attachment_url="https://api.example/d/1"), {"attempt": b"2"})
    (row,) = bench.world.waiting().values()
    assert row.due_at == NOW + 30
    assert dict(row.headers)["attempt"] == b"2"


async def test_a_file_that_may_not_be_fetched_waits_without_an_attempt_but_not_for_ever() -> None:
    bench = Bench()
    bench.api.failure = Held(Reason.PERMISSION_MISSING, "conversation:message:view", 30.0)
    event = attachment(attachment_url="https://api.example/d/1")
    headers: dict[str, bytes] = {"attempt": b"2"}
    for _ in range(1000):
        await bench.deliver(event, headers)
        if bench.world.dead_letters():
            break
        (row,) = bench.world.waiting().values()
        assert row.due_at >= bench.world.clock.now + 30
        headers = dict(row.headers)
        assert headers["attempt"] == b"2"
        bench.world.clock.now = row.due_at
    (letter,) = bench.world.dead_letters()
    assert letter.reason == Reason.RETRIES_EXHAUSTED
    assert "permission_missing" in letter.message


async def test_an_expired_preview_is_deleted_and_said_to_be_expired() -> None:
    bench = Bench()
    await bench.deliver(attachment())
    await bench.expire()
    assert bench.store.objects == {}
    assert [entry.state for entry in bench.world.lifecycle()] == ["stored", "expired"]
    assert bench.world.waiting() == {}


async def test_a_preview_rendered_again_meanwhile_outlives_the_older_command() -> None:
    bench = Bench()
    await bench.deliver(attachment())
    (row,) = bench.world.waiting().values()
    bench.world.clock.now = NOW + TTL / 2
    await bench.deliver(attachment())
    bench.world.clock.now = row.due_at
    await bench.world.run(bench.lifecycle, row.value)
    assert len(bench.store.objects) == 1


async def test_a_command_before_its_time_waits() -> None:
    bench = Bench()
    await bench.deliver(attachment())
    (key, row), *_ = bench.world.waiting().items()
    assert key == expiry_row(next(iter(bench.store.objects)))
    await bench.world.run(bench.lifecycle, row.value)
    assert len(bench.store.objects) == 1
    assert list(bench.world.waiting()) == [key]
    assert bench.world.waiting()[key].due_at == NOW + TTL


async def test_expiry_while_storage_is_down_is_tried_again_until_the_object_is_gone() -> None:
    bench = Bench()
    await bench.deliver(attachment())
    bench.store.failing = Retryable(Reason.STORAGE_UNAVAILABLE, "down")
    await bench.expire()
    bench.store.failing = None
    (row,) = [row for key, row in bench.world.waiting().items() if key.startswith("again/")]
    bench.world.clock.now = row.due_at
    await bench.world.run(bench.lifecycle, row.value, dict(row.headers))
    assert bench.store.objects == {}


async def test_the_trace_goes_along_to_the_preview_and_the_attributes_of_the_event_do_not() -> None:
    bench = Bench()
    await bench.deliver(attachment(), {"traceparent": b"00-1", "ce_id": b"event", "content-type": b"application/json"})
    for topic in ("previews", "results"):
        (record,) = bench.world.to(topic)
        assert record.headers["traceparent"] == b"00-1"
        assert not record.headers.keys() & {"ce_id", "content-type"}


@pytest.mark.parametrize("ttl", [TTL / 10, 2 * TTL])
async def test_a_time_to_live_that_was_changed_extends_life_and_never_ends_it_before_what_a_post_promised(
    ttl: float,
) -> None:
    bench = Bench()
    await bench.deliver(attachment())
    bench.agent, bench.world.clock.now = bench.agent_of(ttl), NOW + 1
    await bench.deliver(attachment())
    (row,) = bench.world.waiting().values()
    assert row.due_at == max(NOW + TTL, NOW + 1 + ttl)
    bench.world.clock.now = row.due_at - 1
    assert await bench.world.due.sweep() == 0
    await bench.expire()
    assert bench.store.objects == {}
    assert [entry.state for entry in bench.world.lifecycle()] == ["stored", "stored", "expired"]


async def test_what_is_stored_under_a_shorter_time_to_live_for_the_first_time_ends_by_it() -> None:
    bench = Bench()
    bench.agent = bench.agent_of(TTL / 10)
    await bench.deliver(attachment())
    (row,) = bench.world.waiting().values()
    assert row.due_at == NOW + TTL / 10


@pytest.mark.parametrize("ahead_seconds", [5.0, -5.0])
async def test_a_preview_lives_until_its_writers_own_time_by_the_clock_of_whoever_sweeps(ahead_seconds: float) -> None:
    bench = Bench()
    bench.world.clock.now = NOW + ahead_seconds
    await bench.deliver(attachment())
    promised = NOW + ahead_seconds + TTL
    bench.world.clock.now = promised - 0.001
    assert await bench.world.due.sweep() == 0
    assert len(bench.store.objects) == 1
    await bench.expire()
    assert bench.world.clock.now == promised
    assert bench.store.objects == {}


async def test_a_second_rendering_by_a_clock_that_is_behind_takes_nothing_of_what_was_promised() -> None:
    bench = Bench()
    await bench.deliver(attachment())
    bench.world.clock.now = NOW - 5
    await bench.deliver(attachment())
    (row,) = bench.world.waiting().values()
    assert row.due_at == NOW + TTL
