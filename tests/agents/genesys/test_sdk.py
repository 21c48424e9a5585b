"""The traps of the SDK: where it still has them, and that they are closed here."""

import asyncio
import json
import logging
import subprocess
import sys
import threading
import time

import pytest
import urllib3

from stream.genesys.sdk import Sdk, load_sdk
from stream.genesys.transport import Transport
from tests.agents.genesys.conftest import Connect, link
from tests.harness.genesys import Simulator
from tests.harness.genesys.faults import Fault

IMPORT_CPU_SECONDS = 1.5
IMPORT_MEGABYTES = 80
MEASURED = """
import json, sys, threading, logging, time
before = set(sys.modules)
from stream.genesys.api import Api
from stream.genesys.login import Access
from stream.genesys.oauth_clients import OAuthClient
from stream.breaker import Breaker
from agents.genesys.client import create_genesys
from stream.genesys.rate import RateShare
from stream.settings import Secret
access = Access(base_url="https://api.mypurecloud.com", clients=[OAuthClient("i", Secret("s"))])
api = Api(access, rates=[RateShare(300)], breaker=Breaker("Genesys"), timeout_seconds=5, concurrency=8)
status = dict(line.split(":", 1) for line in open("/proc/self/status"))  # ru_maxrss would be the parent's
print(json.dumps({
    "cpu_seconds": time.process_time(),
    "megabytes": int(status["VmHWM"].split()[0]) / 1024,
    "threads": [thread.name for thread in threading.enumerate()],
    "urllib3": [logging.getLogger("urllib3").level, logging.getLogger("urllib3").propagate],
    "watchdog": [logging.getLogger("watchdog").level, logging.getLogger("watchdog").propagate],
    "sdk_modules": [name for name in sys.modules if name.startswith("PureCloudPlatformClientV2")],
}))
"""


@pytest.fixture(scope="module")
def fresh_interpreter() -> dict[str, object]:
    answer = subprocess.run([sys.executable, "-c", MEASURED], capture_output=True, text=True, check=True, timeout=60)
    measured: dict[str, object] = json.loads(answer.stdout)
    return measured


@pytest.fixture
def sdk() -> Sdk:
    return load_sdk()


def test_importing_the_client_is_cheap(fresh_interpreter: dict[str, float]) -> None:
    assert fresh_interpreter["cpu_seconds"] <= IMPORT_CPU_SECONDS
    assert fresh_interpreter["megabytes"] <= IMPORT_MEGABYTES


def test_no_thread_watches_the_home_directory(fresh_interpreter: dict[str, object]) -> None:
    assert fresh_interpreter["threads"] == ["MainThread"]


def test_no_logger_is_silenced(fresh_interpreter: dict[str, object]) -> None:
    assert fresh_interpreter["urllib3"] == [logging.NOTSET, True]
    assert fresh_interpreter["watchdog"] == [logging.NOTSET, True]


def test_a_later_import_of_the_whole_sdk_still_finds_it(fresh_interpreter: dict[str, object]) -> None:
    assert fresh_interpreter["sdk_modules"] == []


def test_loading_it_again_starts_no_thread_and_keeps_levels() -> None:
    logger = logging.getLogger("urllib3")
    before = (logger.level, logger.propagate, threading.active_count())
    load_sdk()
    assert (logger.level, logger.propagate, threading.active_count()) == before


def test_a_configuration_file_of_the_user_changes_nothing(
    tmp_path: object, monkeypatch: pytest.MonkeyPatch, sdk: Sdk
) -> None:
    monkeypatch.setenv("HOME", str(tmp_path))
    assert load_sdk().ApiClient().host == sdk.ApiClient().host == "https://api.mypurecloud.com"


async def test_the_stock_client_posts_twice_when_the_answer_is_lost_and_ours_once(
    simulator: Simulator, connect: Connect, sdk: Sdk
) -> None:
    """When the first half fails after an upgrade, the SDK has mended the trap."""
    ours = connect()
    await ours.post(link("warm-up"))
    simulator.state.faults.add(Fault(kind="drop_after", call="post_to_communication", count=1, conversation_id="ours"))
    with pytest.raises(Exception, match="genesys_ambiguous"):
        await ours.post(link("ours"))
    assert len(said(simulator, "ours")) == 1

    simulator.state.faults.add(Fault(kind="drop_after", call="post_tutorial", count=1))
    await asyncio.to_thread(post_with_stock_client, sdk, simulator.base_url, "stock")
    assert len(said(simulator, "stock")) == 2


async def test_the_stock_client_sleeps_on_a_429_and_ours_does_not(
    simulator: Simulator, connect: Connect, sdk: Sdk
) -> None:
    fault = Fault(kind="status", status=429, retry_after_seconds=1, call="post_tutorial", count=1)
    simulator.state.faults.add(fault)
    began = time.monotonic()
    await asyncio.to_thread(post_with_stock_client, sdk, simulator.base_url, "stock")
    assert time.monotonic() - began >= 1.0

    ours = connect()
    await ours.post(link())
    simulator.state.faults.add(
        Fault(kind="status", status=429, retry_after_seconds=40, call="post_to_communication", count=1)
    )
    began = time.monotonic()
    with pytest.raises(Exception, match="rate_limited"):
        await ours.post(link())
    assert time.monotonic() - began < 1.0
    assert simulator.state.calls["post_to_communication"] == 2


async def test_the_timeout_fires(simulator: Simulator, connect: Connect) -> None:
    ours = connect(genesys_timeout_seconds=0.3)
    await ours.post(link())
    simulator.state.faults.add(Fault(kind="slow_after", seconds=5, call="post_to_communication", count=1))
    began = time.monotonic()
    with pytest.raises(Exception, match="genesys_ambiguous"):
        await ours.post(link())
    assert 0.3 <= time.monotonic() - began < 2.0


async def test_the_timeout_fires_on_an_answer_that_drips(simulator: Simulator, connect: Connect) -> None:
    ours = connect(genesys_timeout_seconds=0.5)
    await ours.post(link())
    simulator.state.faults.add(Fault(kind="drip", seconds=0.05, call="post_to_communication", count=1))
    began = time.monotonic()
    with pytest.raises(Exception, match="genesys_ambiguous"):
        await ours.post(link())
    assert time.monotonic() - began < 2.0


def test_a_refused_connection_is_not_an_api_exception_and_is_not_tried_again(sdk: Sdk) -> None:
    transport = Transport(sdk, timeout_seconds=1, connections=1)
    options = sdk.HttpRequestOptions(url="http://127.0.0.1:1/x", method="POST", body={"a": 1})
    with pytest.raises(urllib3.exceptions.NewConnectionError):
        transport.request(options)


async def test_the_pool_is_as_wide_as_the_threads(simulator: Simulator, connect: Connect) -> None:
    ours = connect(link_concurrency=12, render_concurrency=4)
    await ours.post(link())
    simulator.state.faults.add(Fault(kind="slow_after", seconds=0.5, call="post_to_communication", count=12))
    began = time.monotonic()
    await asyncio.gather(*(ours.post(link()) for _ in range(12)))
    assert time.monotonic() - began < 1.5


@pytest.mark.parametrize(
    ("host", "login"),
    [
        ("https://api.mypurecloud.ie", "https://login.mypurecloud.ie"),
        ("https://api.usw2.pure.cloud", "https://login.usw2.pure.cloud"),
        ("http://127.0.0.1:8090", "http://127.0.0.1:8090"),
    ],
)
def test_the_login_host_is_derived_as_the_sdk_does(sdk: Sdk, host: str, login: str) -> None:
    assert sdk.ApiClient(host=host).get_conf_url("login", host) == login


def said(simulator: Simulator, conversation_id: str) -> list[str]:
    conversation = simulator.state.conversations.get(conversation_id)
    return [message.text for message in conversation.messages] if conversation else []


def post_with_stock_client(sdk: Sdk, base_url: str, conversation_id: str) -> None:
    client = sdk.ApiClient(host=base_url)
    client.get_client_credentials_token("simulated-client", "simulated-secret")
    body = {"conversationId": conversation_id, "type": "t", "from": "a", "to": "b", "text": "hello", "metadata": {}}
    client.call_api(
        "/api/v2/conversations/messages",
        "POST",
        header_params={"Content-Type": "application/json"},
        body=body,
        response_type="object",
        auth_settings=["PureCloud OAuth"],
    )
    client.http_client.rest_client.pool_manager.clear()
