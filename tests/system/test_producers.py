"""docs/producers.md: its examples are run as they stand there, and each line of its table is tried on a real worker."""

import os
import re
import shutil
import subprocess
import sys
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Final

import pytest

from tests.harness.kafka import RealKafka
from tests.harness.s3 import Minio
from tests.harness.servers import MissingServerError, existing, skip_or_fail
from tests.system.producers import CASES, of
from tests.system.rig import Rig, running
from tools import servers as installed

pytestmark = [pytest.mark.system, pytest.mark.timeout(240)]

PAGE: Final = (Path(__file__).parents[2] / "docs" / "producers.md").read_text(encoding="utf-8")
FILES: Final = dict(re.findall(r"^```\w+ (\S+\.\w+)\n(.*?)^```", PAGE, re.MULTILINE | re.DOTALL))
COMMANDS: Final = dict(re.findall(r"^```sh (\w+)\n(.*?)^```", PAGE, re.MULTILINE | re.DOTALL))
TOLD: Final = re.findall(r"^\| ([^|]+) \|", PAGE.partition("| what a producer does |")[2], re.MULTILINE)


@pytest.fixture(scope="module")
def rig(kafka: RealKafka, minio: Minio, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Rig]:
    with running(tmp_path_factory.mktemp("producers"), kafka, minio) as made:
        made.product.add_worker()
        yield made
        assert made.product.workers[0].stop(60) == 0
        made.assert_sound()


# The examples


def needs_of(language: str) -> Mapping[str, str]:
    """Return what the shell needs to run an example, or raise MissingServerError."""
    if language == "python":
        return {"PATH": f"{Path(sys.executable).parent}:{os.defpath}"}
    if language == "kcat":
        existing(Path(shutil.which("kcat") or ""), "kcat")
        return {"PATH": os.environ["PATH"]}
    java = existing(installed.find_jdk(), f"A JDK {installed.LEAST_JAVA}")
    jars = existing(installed.kafka_jars(), "Apache Kafka")
    return {"PATH": f"{java.parent}:{os.defpath}", "KAFKA_JARS": str(jars)}


@pytest.mark.parametrize("language", COMMANDS)
def test_an_example_of_the_page_sends_an_attachment(rig: Rig, tmp_path: Path, language: str) -> None:
    try:
        needs = needs_of(language)
    except MissingServerError as error:
        skip_or_fail(str(error), os.environ)
    for name, text in FILES.items():
        (tmp_path / name).write_text(text)
    event, conversation = f"example in {language}", f"conversation of {language}"
    given = {
        "BROKERS": rig.kafka.bootstrap_servers,
        "TOPIC": rig.topics.attachments,
        "EVENT_ID": event,
        "CONVERSATION_ID": conversation,
        "ADDRESS": rig.files.url("photo.png"),
    }
    command = ["sh", "-euc", COMMANDS[language]]
    ran = subprocess.run(command, env={**needs, **given}, cwd=tmp_path, capture_output=True, text=True, check=False)
    assert ran.returncode == 0, ran.stdout + ran.stderr
    assert rig.verdict(event) == "rendered"
    assert rig.posts_of(event) == 1

    rig.wait_for_ends([rig.drop(conversationId=conversation)])
    places = {(record.position.partition, record.key) for record in of(rig, conversation)}
    assert places == {(next(iter(places))[0], conversation.encode())}  # where the bridge puts the conversation, too


def test_there_are_three_examples() -> None:
    assert set(COMMANDS) == {"python", "java", "kcat"}


def test_each_line_of_the_page_is_a_case() -> None:
    assert sorted(line for line in TOLD if set(line) != {"-"}) == sorted(CASES)


@pytest.mark.parametrize("what", CASES)
def test_nothing_is_lost_or_repeated_by_a_producer_that(rig: Rig, what: str) -> None:
    CASES[what](rig)
