import time
from collections.abc import Iterator

import pytest
from prometheus_client import CollectorRegistry, Gauge, start_http_server

from tests.conftest import started
from tests.harness.processes import free_port
from tests.harness.prometheus import Prometheus

pytestmark = pytest.mark.real

RULES = """
groups:
  - name: some
    rules:
      - { record: doubled, expr: 2 * answer }

"""
DEADLINE_SECONDS = 30.0


@pytest.fixture(scope="module")
def prometheus(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Prometheus]:
    folder = tmp_path_factory.mktemp("prometheus")
    (folder / "rules.yml").write_text(RULES)
    registry = CollectorRegistry()
    Gauge("answer", "A number", registry=registry).set(42)
    Gauge("nothing", "No number", registry=registry).set(float("nan"))
    port = free_port()
    server, thread = start_http_server(port, "127.0.0.1", registry)
    with started(lambda place: Prometheus(place, folder / "rules.yml"), folder) as made:
        made.scrape({"some": [port]}, "theirs")
        yield made
    server.shutdown()
    server.server_close()
    thread.join()


def values(prometheus: Prometheus, expression: str) -> list[float]:
    now = time.time()
    return prometheus.values(expression, now - DEADLINE_SECONDS, now, 1)


def test_what_is_scraped_and_recorded_can_be_asked(prometheus: Prometheus) -> None:
    deadline = time.monotonic() + DEADLINE_SECONDS
    while not values(prometheus, 'doubled{job="some",namespace="theirs"}'):
        assert time.monotonic() < deadline
    assert set(values(prometheus, "answer")) == {42}
    assert values(prometheus, "nothing") == []
    assert values(prometheus, "count(nothing)") != []
    assert values(prometheus, "unheard_of") == []
    assert {rule["name"] for rule in prometheus.rules()} == {"doubled"}


def test_what_is_no_promql_is_refused(prometheus: Prometheus) -> None:
    with pytest.raises(ValueError, match="parse error"):
        values(prometheus, "sum(")
