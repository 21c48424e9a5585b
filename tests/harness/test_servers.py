from pathlib import Path

import pytest

from tests.harness.servers import MissingServerError, existing, skip_or_fail


def test_a_missing_server_skips_on_a_desk() -> None:
    with pytest.raises(pytest.skip.Exception, match="Kafka is missing"):
        skip_or_fail("Kafka is missing", {})


@pytest.mark.parametrize("value", ["true", "True", "1"])
def test_a_missing_server_fails_in_ci(value: str) -> None:
    with pytest.raises(pytest.fail.Exception, match="Kafka is missing"):
        skip_or_fail("Kafka is missing", {"CI": value})


@pytest.mark.parametrize("value", ["", "false", "0"])
def test_a_ci_that_is_off_is_a_desk(value: str) -> None:
    with pytest.raises(pytest.skip.Exception):
        skip_or_fail("Kafka is missing", {"CI": value})


def test_what_is_missing_says_how_to_get_it(tmp_path: Path) -> None:
    with pytest.raises(MissingServerError, match="MinIO is not on this machine: run make servers"):
        existing(tmp_path / "minio", "MinIO")
    with pytest.raises(MissingServerError, match="Java 17"):
        existing(None, "Java 17")


def test_what_is_there_is_returned(tmp_path: Path) -> None:
    assert existing(tmp_path, "the folder") == tmp_path
