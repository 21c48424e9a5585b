from typing import Any

from hypothesis import given

from agents.genesys.routes import Route, Routes, route_of
from tests.stream.genesys.test_history import ANY_JSON


@given(ANY_JSON)
def test_conversations_of_any_shape_are_read_without_an_exception(answer: Any) -> None:
    route_of(answer)


def leg(leg_id: str, **more: Any) -> dict[str, Any]:
    return {"id": leg_id, "state": "connected", **more}


def test_the_agents_leg_goes_before_the_customers() -> None:
    customer = {"id": "p1", "purpose": "customer", "messages": [leg("c1")]}
    agent = {"id": "p2", "purpose": "agent", "messages": [leg("c2")]}
    route = route_of({"participants": [customer, agent]})
    assert (route.communication_id, route.customer_id) == ("c2", "p1")


def test_a_leg_that_has_ended_is_none() -> None:
    customer = {"id": "p1", "purpose": "customer", "messages": [leg("c1")]}
    gone = {"purpose": "agent", "messages": [leg("c2", state="disconnected"), leg("c3", disconnectedTime="2026")]}
    left = {"purpose": "agent", "endTime": "2026", "messages": [leg("c4")]}
    assert route_of({"participants": [customer, gone, left]}).communication_id == "c1"
    assert route_of({"participants": [gone, left]}).communication_id == ""


def test_the_routes_remembered_are_bounded_and_the_least_used_goes_first() -> None:
    routes = Routes(capacity=2)
    for name in ("a", "b"):
        routes.put(name, Route(communication_id=name))
    routes.get("a")
    routes.put("c", Route(communication_id="c"))
    assert len(routes) == 2
    assert routes.get("b") is None
    assert routes.get("a") is not None
    routes.forget("a")
    assert routes.get("a") is None
