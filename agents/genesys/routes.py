"""Where in a conversation a message goes: read from Genesys once, then remembered."""

from collections import OrderedDict
from collections.abc import Iterator, Mapping
from typing import Any

from msgspec import Struct

ENDED_STATES = frozenset({"disconnected", "terminated"})


class Route(Struct, frozen=True, kw_only=True):
    """What a post needs to know of its conversation; empty where the conversation does not say."""

    communication_id: str = ""
    customer_id: str = ""
    customer_address: str = ""
    own_address: str = ""
    messenger_type: str = ""
    external_contact_id: str = ""


def route_of(conversation: Any) -> Route:
    """Read the answer of GET /api/v2/conversations/{id}.

    The agent's leg goes first, because a message there is certainly allowed, then the customer's; a leg that has
    ended is none.
    """
    participants = [*_dicts(_get(conversation, "participants"))]
    customers = [one for one in participants if one.get("purpose") in ("customer", "external")]
    agents = [one for one in participants if one.get("purpose") == "agent"]
    legs = [leg for one in (*agents, *customers) for leg in _living_legs(one)]
    customer = customers[0] if customers else {}
    customer_leg = next(_dicts(customer.get("messages")), {})
    return Route(
        communication_id=_text(legs[0], "id") if legs else "",
        customer_id=_text(customer, "id"),
        customer_address=_address(customer_leg.get("fromAddress")),
        own_address=_address(customer_leg.get("toAddress")),
        messenger_type=_text(customer_leg, "type"),
        external_contact_id=_text(customer, "externalContactId"),
    )


class Routes:
    """Routes of the conversations used last, at most `capacity`."""

    def __init__(self, capacity: int = 10_000) -> None:
        self._capacity = capacity
        self._routes: OrderedDict[str, Route] = OrderedDict()

    def __len__(self) -> int:
        return len(self._routes)

    def get(self, conversation_id: str) -> Route | None:
        """Return a remembered route."""
        if conversation_id in self._routes:
            self._routes.move_to_end(conversation_id)
        return self._routes.get(conversation_id)

    def put(self, conversation_id: str, route: Route) -> None:
        """Remember a route and forget the one that was used the longest ago."""
        self._routes[conversation_id] = route
        self._routes.move_to_end(conversation_id)
        if len(self._routes) > self._capacity:
            self._routes.popitem(last=False)

    def forget(self, conversation_id: str) -> None:
        """Forget a route that turned out to be stale."""
        self._routes.pop(conversation_id, None)


def _living_legs(participant: Mapping[str, Any]) -> Iterator[dict[str, Any]]:
    if participant.get("endTime"):
        return
    for leg in _dicts(participant.get("messages")):
        if leg.get("state") not in ENDED_STATES and not leg.get("disconnectedTime") and leg.get("id"):
            yield leg


def _address(address: Any) -> str:
    return _text(address, "addressNormalized") or _text(address, "addressRaw")


def _get(value: Any, name: str) -> Any:
    return value.get(name) if isinstance(value, dict) else None


def _text(value: Any, name: str) -> str:
    return str(_get(value, name) or "")


def _dicts(value: Any) -> Iterator[dict[str, Any]]:
    return (one for one in value if isinstance(one, dict)) if isinstance(value, list) else iter(())
