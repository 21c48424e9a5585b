"""The simulator in a process of its own, and a client of its control API."""

import http.client
import json
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any
from urllib.parse import quote

import msgspec

from tests.harness.genesys.faults import Fault
from tests.harness.genesys.settings import SimulatorSettings
from tests.harness.processes import Process, accepts_connections, free_port
from tests.harness.servers import Server

ANSWER_SECONDS = 120.0


class GenesysServer(Server):
    """Keeps its ports from `stop` to `start`; conversations are forgotten (`pause` keeps them)."""

    def __init__(self, folder: Path, settings: SimulatorSettings | None = None) -> None:
        self._port = free_port()
        self._files_port = free_port()
        command = [sys.executable, "-m", "tests.harness.genesys", "--port", str(self._port)]
        command += ["--files-port", str(self._files_port)]
        command += ["--settings", msgspec.json.encode(settings or SimulatorSettings()).decode()]
        super().__init__(Process("Genesys simulator", command, folder / "genesys.log"))
        self.control = GenesysControl(self._port)

    @property
    def base_url(self) -> str:
        """GENESYS_BASE_URL."""
        return f"http://127.0.0.1:{self._port}"

    @property
    def files_url(self) -> str:
        return f"http://127.0.0.1:{self._files_port}"

    def ready(self) -> bool:
        return accepts_connections(self._port) and accepts_connections(self._files_port)


class GenesysControl:
    """Drives and judges a simulator on this machine from another process; blocks."""

    def __init__(self, port: int) -> None:
        self._port = port

    def conversations(self) -> list[dict[str, Any]]:
        """Return every conversation with its messages."""
        found: list[dict[str, Any]] = self._call("GET", "/conversations")["conversations"]
        return found

    def messages(self, conversation_id: str) -> list[dict[str, Any]]:
        """Return what a conversation holds."""
        found: list[dict[str, Any]] = self._call("GET", f"/conversations/{_quoted(conversation_id)}")["messages"]
        return found

    def attach(self, conversation_id: str, file_name: str, mime: str, data: bytes) -> dict[str, Any]:
        """Let the guest send a file; returns what the webhook tells of it."""
        path = f"/conversations/{_quoted(conversation_id)}/attachments?fileName={_quoted(file_name)}"
        return self._call("POST", path, data, {"Content-Type": mime})

    def add_fault(self, fault: Fault) -> None:
        self._call("POST", "/faults", msgspec.json.encode(fault))

    def clear_faults(self) -> None:
        self._call("DELETE", "/faults")

    def change(self, **settings: Any) -> None:
        """Change settings, by their names in JSON."""
        self._call("PATCH", "/settings", json.dumps(settings).encode())

    def counters(self) -> dict[str, Any]:
        return self._call("GET", "/counters")

    def reset(self) -> None:
        self._call("POST", "/reset")

    def call(self, method: str, path: str, value: Any = None) -> dict[str, Any]:
        """Make any other call below /_sim."""
        return self._call(method, path, None if value is None else msgspec.json.encode(value))

    def _call(
        self, method: str, path: str, body: bytes | None = None, headers: Mapping[str, str] | None = None
    ) -> dict[str, Any]:
        connection = http.client.HTTPConnection("127.0.0.1", self._port, timeout=ANSWER_SECONDS)
        try:
            connection.request(method, f"/_sim{path}", body, dict(headers or {}))
            response = connection.getresponse()
            text = response.read().decode()
        finally:
            connection.close()
        if response.status >= 300:
            raise RuntimeError(f"the simulator answered {response.status}: {text}")
        answer: dict[str, Any] = json.loads(text)
        return answer


def _quoted(text: str) -> str:
    return quote(text, safe="")
