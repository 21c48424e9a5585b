"""The bridge does as its OpenAPI document says, which schemathesis asks of it in ways that nobody thought of."""

import json
import subprocess
import sys
from pathlib import Path

import pytest

from tests.harness.kafka import RealKafka
from tests.system.bridge import BridgeProcess

pytestmark = [pytest.mark.system, pytest.mark.timeout(240)]

# Bodies are read tolerantly, and without credentials everybody may send: two checks do not fit.
UNFIT = "negative_data_rejection,ignored_auth"
OPTIONS = [
    "--seed=1",
    "--max-examples=30",
    "--phases=examples,coverage,fuzzing",
    "--suppress-health-check=all",
    "--generation-database=none",
    f"--exclude-checks={UNFIT}",
    "--no-shrink",
    "--no-color",
]


def test_schemathesis_finds_nothing(kafka: RealKafka, tmp_path: Path) -> None:
    bridge = BridgeProcess(kafka, tmp_path)
    bridge.create_topics()
    command = [str(Path(sys.executable).with_name("schemathesis")), "run", *OPTIONS]
    with bridge:
        bridge.wait_until_ready()
        asked = [*command, bridge.url("/openapi.json")]
        ran = subprocess.run(asked, cwd=tmp_path, capture_output=True, text=True, check=False)
    assert ran.returncode == 0, ran.stdout + ran.stderr
    assert "Operations:       0" not in ran.stdout
    assert bridge.topic_holds()
    assert bridge.process.exit_code == 0
    levels = {json.loads(line)["level"] for line in bridge.process.log.read_text().splitlines()}
    assert levels <= {"info", "warning"}  # librdkafka warns of a broker that has just started
