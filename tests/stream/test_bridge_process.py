import asyncio
import os
import signal
import socket
import subprocess
import sys
from pathlib import Path

import pytest
import urllib3

from stream.bridge.process import Bridge, Ending
from stream.settings import BridgeSettings, Secret, WrongSettingError
from tests.harness.processes import Process, free_port

ROOT = Path(__file__).parents[2]


def environment(**settings: str) -> dict[str, str]:
    return {"PATH": os.environ["PATH"], "PYTHONPATH": str(ROOT), "BRIDGE_HOST": "127.0.0.1", **settings}


def ended_with_one_line(folder: Path, **settings: str) -> str:
    command = [sys.executable, "-m", "stream", "bridge"]
    ended = subprocess.run(
        command, env=environment(**settings), cwd=folder, capture_output=True, text=True, timeout=60, check=False
    )
    assert (ended.returncode, ended.stdout) == (2, "")
    (line,) = ended.stderr.splitlines()
    return line


def test_a_port_in_use_ends_the_start_with_one_line(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        line = ended_with_one_line(tmp_path, BRIDGE_PORT=str(taken.getsockname()[1]))
    assert line.startswith("BRIDGE_HOST='127.0.0.1' with BRIDGE_PORT=")


def test_a_batch_may_not_wait_as_long_as_the_webhook(tmp_path: Path) -> None:
    line = ended_with_one_line(tmp_path, BRIDGE_LINGER_MS="600", BRIDGE_DELIVERY_TIMEOUT_SECONDS="1")
    assert line.startswith("BRIDGE_LINGER_MS='600' is wrong: less than half of BRIDGE_DELIVERY_TIMEOUT_SECONDS")


def test_sigint_ends_a_bridge_without_kafka_in_order(tmp_path: Path) -> None:
    environ = environment(BRIDGE_PORT="0", KAFKA_BOOTSTRAP_SERVERS=f"127.0.0.1:{free_port()}", LOG_FORMAT="text")
    command = [sys.executable, "-m", "stream", "bridge"]
    with Process("bridge", command, tmp_path / "bridge.log", environ) as bridge:
        bridge.wait_until(lambda: "bridge.listening" in bridge.last_words(), 30)
        os.kill(bridge.pid, signal.SIGINT)
        assert bridge.wait(20) == 0
    assert "bridge.drained" in bridge.last_words()


def test_a_bridge_on_a_public_address_without_any_credentials_does_not_start(tmp_path: Path) -> None:
    line = ended_with_one_line(tmp_path, BRIDGE_HOST="0.0.0.0", BRIDGE_PORT="0")
    assert line.startswith("WEBHOOK_SECRET is not set: BRIDGE_HOST='0.0.0.0' is a public address")


def test_sigterm_takes_webhooks_while_readiness_is_off_until_a_second_one_hurries(tmp_path: Path) -> None:
    port = free_port()
    environ = environment(
        BRIDGE_PORT=str(port),
        BRIDGE_PRE_STOP_SECONDS="300",
        KAFKA_BOOTSTRAP_SERVERS=f"127.0.0.1:{free_port()}",
        LOG_FORMAT="text",
    )
    command = [sys.executable, "-m", "stream", "bridge"]
    url = f"http://127.0.0.1:{port}"
    with Process("bridge", command, tmp_path / "bridge.log", environ) as bridge:
        bridge.wait_until(lambda: "bridge.listening" in bridge.last_words(), 30)
        os.kill(bridge.pid, signal.SIGTERM)
        bridge.wait_until(lambda: "bridge.retiring" in bridge.last_words(), 30)
        readiness = urllib3.request("GET", f"{url}/readyz", retries=False)
        assert (readiness.status, readiness.json()["reasons"]["bridge"]) == (503, "shutting down")
        assert urllib3.request("GET", f"{url}/healthz", retries=False).status == 200
        taken = urllib3.request("POST", f"{url}/webhooks/genesys/attachments", json={"event": "other"}, retries=False)
        assert (taken.status, taken.headers["connection"]) == (200, "close")
        os.kill(bridge.pid, signal.SIGTERM)
        assert bridge.wait(20) == 0
    assert "bridge.drained" in bridge.last_words()


async def test_only_a_failure_or_a_second_signal_cuts_the_pause_short() -> None:
    signalled, failed = Ending(), Ending()
    signalled.in_order()
    failed.failed()
    assert (signalled.at_once.is_set(), failed.at_once.is_set()) == (False, True)
    signalled.in_order()
    assert signalled.at_once.is_set()


async def test_a_part_that_fails_ends_the_process_as_failed() -> None:
    ending = Ending()
    ending.failed()
    ending.in_order()
    async with asyncio.timeout(1):
        await ending.wanted.wait()
    assert ending.exit_code == 1


@pytest.mark.parametrize(
    "settings",
    [
        BridgeSettings(bridge_host="no such host.invalid", webhook_allow_unauthenticated=True),
        BridgeSettings(bridge_host="192.0.2.1", webhook_secret=Secret("hidden")),
    ],
)
async def test_an_address_that_is_not_ours_is_a_wrong_setting(settings: BridgeSettings) -> None:
    with pytest.raises(WrongSettingError, match="BRIDGE_HOST"):
        Bridge.create(settings, Ending())
