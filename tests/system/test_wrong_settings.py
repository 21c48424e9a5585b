"""A wrong setting ends the start of a process: code 2, one line that names it, and never a secret."""

import os
import socket
import sys
from pathlib import Path

import pytest

from tests.harness.deployment import ROOT
from tests.harness.processes import Process

pytestmark = pytest.mark.system

BRIDGE, WORKER, TOPICS = ["stream", "bridge"], ["agents", "worker"], ["stream", "topics"]
SECRET = "hunter2-hunter2-hunter2"
GOOD = {
    "GENESYS_CLIENT_ID": "client",
    "GENESYS_CLIENT_SECRET": SECRET,
    "OBJECT_KEY_SECRET": SECRET,
    "S3_SECRET_KEY": SECRET,
    "WEBHOOK_SECRET": SECRET,
    "KAFKA_SASL_PASSWORD": SECRET,
}


def ended(folder: Path, module: list[str], settings: dict[str, str]) -> tuple[int, str]:
    environ = {"PATH": os.environ["PATH"], "PYTHONPATH": str(ROOT), "HEALTH_PORT": "0", **GOOD, **settings}
    process = Process("it", [sys.executable, "-m", *module], folder / "it.log", environ, folder)
    process.start()
    try:
        return process.wait(30), process.log.read_text()
    finally:
        process.stop()


@pytest.mark.parametrize(
    ("module", "variable", "value", "allowed"),
    [
        (BRIDGE, "KAFKA_BOOTSTRAP_SERVERS", "no port", "host:port"),
        (BRIDGE, "BRIDGE_PORT", "http", "whole number"),
        (BRIDGE, "BRIDGE_MAX_BODY_BYTES", "0", "at least 1"),
        (BRIDGE, "BRIDGE_HOST", "192.0.2.1", "address and port that are free"),
        (BRIDGE, "LOG_LEVEL", "LOUD", "DEBUG, INFO, WARNING, ERROR"),
        (BRIDGE, "KAFKA_SASL_MECHANISM", "GSSAPI", "PLAIN, SCRAM-SHA-256, SCRAM-SHA-512"),
        (TOPICS, "TOPIC_PARTITIONS", "4.5", "whole number from 1 to 1024"),
        (WORKER, "GENESYS_POST_MODE", "shout", "communication, agentless, attributes, tutorial"),
        (WORKER, "GENESYS_CLIENT_SECRET", "", "secret"),
        (WORKER, "GENESYS_MESSAGE_TEMPLATE", "no address", "{url}"),
        (WORKER, "OBJECT_KEY_SECRET", "short", "at least 16"),
        (WORKER, "S3_ENDPOINT", "ftp://s3", "http"),
        (WORKER, "DOWNLOAD_ALLOWED_NETWORKS", "10.0.0.1/8", "CIDR"),
        (WORKER, "PREVIEW_TTL_SECONDS", "604801", "at most 604800"),
        (WORKER, "RETRY_BASE_SECONDS", "nan", "greater than 0"),
        (WORKER, "WORKER_HEARTBEAT_SECONDS", "29", "third"),
    ],
)
def test_a_wrong_setting_ends_the_start_with_one_line(
    tmp_path: Path, module: list[str], variable: str, value: str, allowed: str
) -> None:
    code, told = ended(tmp_path, module, {variable: value})
    assert (code, told.count("\n")) == (2, 1), told
    assert told.startswith(variable)
    assert allowed in told
    assert SECRET not in told
    assert (value in told and value != "short") or variable.endswith("_SECRET")


def test_a_health_port_that_is_taken_ends_the_worker_with_one_line(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = str(taken.getsockname()[1])
        code, told = ended(tmp_path, WORKER, {"HEALTH_HOST": "127.0.0.1", "HEALTH_PORT": port})
    assert (code, told.count("\n")) == (2, 1), told
    assert "HEALTH_PORT" in told
    assert port in told


def test_a_line_of_the_env_file_that_is_none_is_named_without_its_text(tmp_path: Path) -> None:
    (tmp_path / ".env").write_text(f"LOG_LEVEL=INFO\nGENESYS_CLIENT_SECRET {SECRET}\n")
    code, told = ended(tmp_path, WORKER, {})
    assert (code, told.count("\n")) == (2, 1), told
    assert "line 2" in told
    assert SECRET not in told
