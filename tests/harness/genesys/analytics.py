"""POST /api/v2/analytics/conversations/details/query, as far as conversations are looked for by their time."""

import itertools
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, Final, Self

from tests.harness.genesys.conversations import Conversation, timestamp

MAX_PAGE_SIZE: Final = 100
MAX_HITS: Final = 100_000
MAX_INTERVAL_SECONDS: Final = 31 * 86_400
DAY_SECONDS: Final = 86_400
MEDIA: Final = "message"


@dataclass(frozen=True, slots=True, kw_only=True)
class Query:
    """The SDK 269 says: "Results will only include conversations that started on a day touched by the interval"."""

    since: float
    until: float
    media_types: frozenset[str]
    descending: bool
    page_size: int
    page_number: int

    @classmethod
    def of(cls, body: dict[str, Any]) -> Self:
        """Read the body. Raises ValueError where Genesys answers 400."""
        since, until = _interval(body.get("interval"))
        paging = body.get("paging", {"pageSize": 25, "pageNumber": 1})
        page_size, page_number = int(paging["pageSize"]), int(paging["pageNumber"])
        if not 1 <= page_size <= MAX_PAGE_SIZE or page_number < 1 or page_size * page_number > MAX_HITS:
            raise ValueError(f"pageSize is at most {MAX_PAGE_SIZE}, and pageSize × pageNumber at most {MAX_HITS}")
        if body.get("order", "asc") not in {"asc", "desc"} or body.get("orderBy") not in {None, "conversationStart"}:
            raise ValueError("order or orderBy is not known here")
        return cls(
            since=since,
            until=until,
            media_types=frozenset(_media_types(body.get("segmentFilters", []))),
            descending=body.get("order") == "desc",
            page_size=page_size,
            page_number=page_number,
        )

    def answer(self, conversations: Iterable[Conversation]) -> dict[str, Any]:
        """Behind the last page there are no `conversations` at all."""
        found = sorted(filter(self._finds, conversations), key=lambda one: one.started_at, reverse=self.descending)
        page = found[(self.page_number - 1) * self.page_size : self.page_number * self.page_size]
        answer: dict[str, Any] = {"totalHits": len(found)}
        return answer | ({"conversations": [_view(one) for one in page]} if page else {})

    def _finds(self, conversation: Conversation) -> bool:
        days = range(int(self.since // DAY_SECONDS), int(self.until // DAY_SECONDS) + 1)
        return int(conversation.started_at // DAY_SECONDS) in days and (
            not self.media_types or MEDIA in self.media_types
        )


def _interval(text: Any) -> tuple[float, float]:
    if not isinstance(text, str) or text.count("/") != 1:
        raise ValueError("interval is YYYY-MM-DDThh:mm:ss/YYYY-MM-DDThh:mm:ss")
    since, until = (_seconds(part) for part in text.split("/"))
    if since >= until:
        raise ValueError("the interval is empty")
    if until - since > MAX_INTERVAL_SECONDS:
        raise ValueError("the interval is longer than 31 days")
    return since, until


def _seconds(text: str) -> float:
    at = datetime.fromisoformat(text)
    return (at if at.tzinfo else at.replace(tzinfo=UTC)).timestamp()


def _media_types(filters: list[dict[str, Any]]) -> Iterator[str]:
    for predicate in itertools.chain.from_iterable(one["predicates"] for one in filters):
        if predicate["type"] != "dimension" or predicate["dimension"] != "mediaType":
            raise ValueError("only the dimension mediaType is known here")
        yield predicate["value"]


def _view(conversation: Conversation) -> dict[str, Any]:
    view: dict[str, Any] = {
        "conversationId": conversation.id,
        "conversationStart": timestamp(conversation.started_at),
        "originatingDirection": "inbound",
        "participants": [
            {"participantId": one.id, "purpose": one.purpose, "sessions": [{"mediaType": MEDIA}]}
            for one in conversation.participants
        ],
    }
    ended_at = conversation.ended_at
    return view if ended_at is None else view | {"conversationEnd": timestamp(ended_at)}
