"""Prometheus as Debian builds it: scrapes, evaluates the rules, and is asked over its HTTP API."""

import json
import math
import urllib.parse
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Final

import yaml

from tests.harness.deployment import get
from tests.harness.processes import Process, free_port
from tests.harness.servers import Server, existing
from tools import prometheus as installed

INTERVAL: Final = "1s"


class Prometheus(Server):
    """Scrapes what `targets` names, once a second; `rules` is the path of a file of rules, evaluated as often.

    Raises:
        MissingServerError: It is not on this machine.
    """

    def __init__(self, folder: Path, rules: Path) -> None:
        self._port = free_port()
        self._targets = folder / "targets.json"
        self._targets.write_text("[]")
        config = folder / "prometheus.yml"
        config.write_text(yaml.safe_dump(self._config(rules)))
        command: list[str | Path] = [
            existing(installed.program("prometheus"), "Prometheus"),
            f"--config.file={config}",
            f"--storage.tsdb.path={folder / 'data'}",
            f"--web.listen-address=127.0.0.1:{self._port}",
            "--log.level=warn",
        ]
        super().__init__(Process("Prometheus", command, folder / "prometheus.log"))

    def ready(self) -> bool:
        """Tell whether it answers queries."""
        return get(f"http://127.0.0.1:{self._port}/-/ready")[0] == 200

    def scrape(self, jobs: Mapping[str, Sequence[int]], namespace: str) -> None:
        """Scrape these ports of 127.0.0.1 from now on, by job; Prometheus sees the file change."""
        groups = [
            {"targets": [f"127.0.0.1:{port}" for port in ports], "labels": {"job": job, "namespace": namespace}}
            for job, ports in jobs.items()
        ]
        scratch = self._targets.with_suffix(".new")
        scratch.write_text(json.dumps(groups))
        scratch.rename(self._targets)

    def values(self, expression: str, start: float, end: float, step_seconds: float) -> list[float]:
        """Return all values of a range query that are numbers; `start` and `end` are seconds since 1970.

        Raises:
            ValueError: Prometheus refuses the expression.
        """
        answer = self._ask("query_range", query=expression, start=start, end=end, step=step_seconds)
        found = (float(value) for series in answer["result"] for _, value in series["values"])
        return [value for value in found if not math.isnan(value)]

    def rules(self) -> list[dict[str, Any]]:
        """Return all rules with their health."""
        return [rule for group in self._ask("rules")["groups"] for rule in group["rules"]]

    def _ask(self, what: str, **parameters: object) -> dict[str, Any]:
        address = f"http://127.0.0.1:{self._port}/api/v1/{what}?{urllib.parse.urlencode(parameters)}"
        answer = json.loads(get(address)[1] or b'{"status": "error", "error": "no answer"}')
        if answer["status"] != "success":
            raise ValueError(answer["error"])
        data: dict[str, Any] = answer["data"]
        return data

    def _config(self, rules: Path) -> dict[str, Any]:
        found = {"files": [str(self._targets)], "refresh_interval": INTERVAL}
        return {
            "global": {"scrape_interval": INTERVAL, "evaluation_interval": INTERVAL},
            "rule_files": [str(rules)],
            "scrape_configs": [{"job_name": "previews", "file_sd_configs": [found]}],
        }
