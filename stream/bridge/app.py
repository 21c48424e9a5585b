"""The bridge as an ASGI application, plain because the framework is what bounds its rate.

Granian measured with acknowledged requests: 7,000 a second as raw ASGI, 4,400 through Starlette, 1,700 through FastAPI.
"""

import logging
from collections.abc import Awaitable, Callable, Mapping, Sequence
from functools import partial
from http import HTTPStatus
from typing import Final, Protocol

import msgspec

from stream.arrival import Arrival
from stream.authenticity import Claim
from stream.bridge import answers
from stream.bridge.access_log import SHOWN_EVENT_IDS, Access, AccessLog
from stream.bridge.answers import CLOSE, Answer
from stream.bridge.bodies import Bodies
from stream.bridge.intake import PATHS, Intake
from stream.bridge.request import Receive, Request, Scope, Send, request_of
from stream.failures import Reason, Retryable
from stream.messages import Attachment
from stream.refusals import Header, RefusedRequestError
from stream.sources.body import Ignored
from stream.telemetry import CONTENT_TYPE_LATEST, Health, Metrics, exposition
from stream.tracing import UNTRACED, Kind, Trace, Tracer
from stream.webhook import Event

logger = logging.getLogger(__name__)

DRAINING_RETRY_AFTER_SECONDS: Final = 1.0  # by then another replica, or the next process, answers
SHOWN_PATH_CHARACTERS: Final = 200
JSON_TYPE: Final = b"application/json"

Handle = Callable[[Request, Receive], Awaitable[Answer]]


class Sender(Protocol):
    """Where attachments go."""

    async def send(self, attachments: Sequence[Attachment], arrival: Arrival) -> None:
        """Return when all are acknowledged, raise Retryable otherwise."""


class BridgeApp:
    """Answers webhooks, probes and scrapes; `clock` is Unix time, `timer` a monotonic one, both in seconds."""

    def __init__(
        self,
        *,
        intakes: Sequence[Intake],
        bodies: Bodies,
        sender: Sender,
        metrics: Metrics,
        health: Health,
        access_log: AccessLog,
        clock: Callable[[], float],
        timer: Callable[[], float],
        new_id: Callable[[], str],
        documents: Mapping[str, bytes],
        tracer: Tracer = UNTRACED,
    ) -> None:
        self._bodies = bodies
        self._sender = sender
        self._metrics = metrics
        self._health = health
        self._access_log = access_log
        self._clock = clock
        self._timer = timer
        self._new_id = new_id
        self._tracer = tracer
        self._draining = False
        self._closing: tuple[Header, ...] = ()
        self._counters: dict[tuple[int, str], Callable[[], None]] = {}
        self._observe = {
            PATHS[intake.source]: metrics.bridge_request_seconds.labels(intake.source).observe for intake in intakes
        }
        self._received = {intake.source: metrics.bridge_received_bytes.labels(intake.source).inc for intake in intakes}
        metrics.bridge_ready.set_function(lambda: float(health.readiness().status == HTTPStatus.OK))
        self._sources = {PATHS[intake.source]: intake.source.value for intake in intakes}
        webhook = self._webhook if tracer is UNTRACED else self._traced
        self._routes: Mapping[str, tuple[str, Handle]] = {
            **{PATHS[intake.source]: ("POST", partial(webhook, intake)) for intake in intakes},
            "/startupz": ("GET, HEAD", self._startupz),
            "/healthz": ("GET, HEAD", self._healthz),
            "/readyz": ("GET, HEAD", self._readyz),
            "/metrics": ("GET, HEAD", self._exposition),
            **{path: ("GET, HEAD", partial(_told, text)) for path, text in documents.items()},
        }

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request."""
        begun = self._timer()
        request = request_of(scope, self._new_id)
        answer = await self._answer(request, receive)
        closing = () if CLOSE in answer.headers else self._closing
        headers = answer.all_headers((b"x-request-id", request.request_id.encode()), *closing)
        await send({"type": "http.response.start", "status": answer.status, "headers": headers})
        await send({"type": "http.response.body", "body": b"" if request.method == "HEAD" else answer.body})
        self._count(request, answer, begun)
        self._tell(request, answer, begun)

    def retire(self) -> None:
        """Ask for no more traffic: not ready, and each connection ends with its next answer; webhooks are taken."""
        self._health.not_ready("bridge", "shutting down")
        self._closing = (CLOSE,)

    def drain(self) -> None:
        """Refuse new webhooks from now on."""
        self.retire()
        self._draining = True

    def stop_reading(self) -> None:
        """End the reading of bodies that are not complete yet."""
        self._bodies.stop()

    async def _answer(self, request: Request, receive: Receive) -> Answer:
        try:
            return await self._route(request, receive)
        except RefusedRequestError as error:
            return answers.refused(error)
        except Retryable as failure:
            return answers.unavailable(failure)
        except Exception:
            logger.exception("webhook.failed", extra={"request_id": request.request_id})
            return answers.failed(HTTPStatus.INTERNAL_SERVER_ERROR, "internal", "An error of ours; try again")

    async def _route(self, request: Request, receive: Receive) -> Answer:
        if request.path not in self._routes:
            return answers.failed(HTTPStatus.NOT_FOUND, "not_found", "No such path", CLOSE)
        allowed, handle = self._routes[request.path]
        if request.method not in allowed.split(", "):
            headers = ((b"allow", allowed.encode()), CLOSE)
            return answers.failed(HTTPStatus.METHOD_NOT_ALLOWED, "method_not_allowed", f"Use {allowed}", *headers)
        return await handle(request, receive)

    async def _webhook(self, intake: Intake, request: Request, receive: Receive) -> Answer:
        if self._draining:
            raise Retryable(Reason.SHUTTING_DOWN, "The bridge is shutting down", DRAINING_RETRY_AFTER_SECONDS)
        _check_content(request.headers)
        event = await self._event(intake, request, receive)
        if isinstance(event, Ignored):
            return answers.ignored(event)
        return await self._queue(request, event)

    async def _traced(self, intake: Intake, request: Request, receive: Receive) -> Answer:
        with self._tracer.span(f"POST {request.path}", Kind.SERVER, parent=Trace(*request.trace)):
            return await self._webhook(intake, request, receive)

    async def _event(self, intake: Intake, request: Request, receive: Receive) -> Event | Ignored:
        """Read the body, whose bytes are let go with this call: they must not wait for Kafka with the request."""
        body = await self._bodies.read(request.headers, receive)
        self._received[intake.source](len(body))
        return intake.read(Claim(request.headers, body, request.peer, self._clock()))

    async def _queue(self, request: Request, event: Event) -> Answer:
        now = self._clock()
        attachments = [msgspec.structs.replace(attachment, received_at=now) for attachment in event.attachments]
        traceparent, tracestate = request.trace
        arrival = Arrival(
            source=event.source,
            request_id=request.request_id,
            received_at=now,
            traceparent=traceparent,
            tracestate=tracestate,
        )
        if self._tracer is UNTRACED:
            await self._sender.send(attachments, arrival)
            return answers.queued(attachments)
        with self._tracer.span("send attachments", Kind.PRODUCER) as span:
            await self._sender.send(attachments, msgspec.structs.replace(arrival, **span.trace._asdict()))
        return answers.queued(attachments)

    def _count(self, request: Request, answer: Answer, begun: float) -> None:
        key = (answer.status, self._sources.get(request.path, "none"))
        count = self._counters.get(key)
        if count is None:  # labels() costs more than the rest of the counting
            count = self._counters[key] = self._metrics.bridge_requests.labels(str(key[0]), key[1]).inc
        count()
        observe = self._observe.get(request.path)
        if observe is not None:
            observe(self._timer() - begun)

    def _tell(self, request: Request, answer: Answer, begun: float) -> None:
        source = self._sources.get(request.path, "")
        if not self._access_log.wants(answer.status) or (not source and request.path in self._routes):
            return
        events = answer.events
        access = Access(
            status=answer.status,
            path=request.path[:SHOWN_PATH_CHARACTERS].encode(errors="replace").decode(),
            request_id=request.request_id,
            peer=request.peer,
            duration_ms=round((self._timer() - begun) * 1000, 2),
            source=source,
            event_ids=[attachment.event_id for attachment in events[:SHOWN_EVENT_IDS]],
            conversation_id=events[0].conversation_id if events else "",
            code=answer.code,
            why=answer.why,
        )
        self._access_log.add(access)

    async def _startupz(self, _request: Request, _receive: Receive) -> Answer:
        report = self._health.startup()
        return Answer(report.status, report.body())

    async def _healthz(self, _request: Request, _receive: Receive) -> Answer:
        report = self._health.liveness()
        return Answer(report.status, report.body())

    async def _readyz(self, _request: Request, _receive: Receive) -> Answer:
        report = self._health.readiness()
        return Answer(report.status, report.body())

    async def _exposition(self, _request: Request, _receive: Receive) -> Answer:
        body = exposition(self._metrics.registry)
        return Answer(HTTPStatus.OK, body, content_type=CONTENT_TYPE_LATEST.encode())


async def _told(text: bytes, _request: Request, _receive: Receive) -> Answer:
    return Answer(HTTPStatus.OK, text)


def _check_content(headers: Mapping[bytes, bytes]) -> None:
    """Refuse what is not JSON; a body without a declared type is taken to be JSON."""
    encoding = headers.get(b"content-encoding", b"identity").strip().lower()
    if encoding not in {b"identity", b""}:
        raise _unsupported("Content-Encoding must be identity")
    declared = headers.get(b"content-type", JSON_TYPE)
    if declared == JSON_TYPE:
        return
    media_type = declared.split(b";")[0].strip().lower()
    if media_type != JSON_TYPE and not (media_type.startswith(b"application/") and media_type.endswith(b"+json")):
        raise _unsupported("Content-Type must be application/json")


def _unsupported(message: str) -> RefusedRequestError:
    return RefusedRequestError(HTTPStatus.UNSUPPORTED_MEDIA_TYPE, "unsupported_media_type", message)
