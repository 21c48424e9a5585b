from pathlib import Path

import pytest

from agents.settings import WorkerSettings
from agents.settings_page import GROUPS, pages
from stream.settings import BridgeSettings, WrongSettingError, load
from stream.settings_page import effective, settings_of

ROOT = Path(__file__).parents[2]
NO_FILE = Path("no-such-folder/.env")
REQUIRED = {
    "GENESYS_CLIENT_ID": "client",
    "GENESYS_CLIENT_SECRET": "hidden-secret",
    "OBJECT_KEY_SECRET": "hidden-key-of-32-characters-here",
}
PRESIGNED = {
    "STORAGE_MODE": "presigned",
    "CDN_PRESIGNED_URL_TEMPLATE": "https://cdn.example.com/{key}?X-Amz-Signature=hidden",
}


def worker(**variables: str) -> WorkerSettings:
    return load(WorkerSettings, {**REQUIRED, **variables}, NO_FILE)


def complaint(**variables: str) -> str:
    with pytest.raises(WrongSettingError) as caught:
        worker(**variables)
    assert "hidden" not in str(caught.value)
    assert "\n" not in str(caught.value)
    return str(caught.value)


def test_the_variables_of_the_tutorial_are_enough() -> None:
    settings = load(
        WorkerSettings,
        {
            "GENESYS_ENV": "mypurecloud.ie",
            "GENESYS_CLIENT_ID": "client",
            "GENESYS_CLIENT_SECRET": "secret",
            "CDN_PRESIGNED_URL_TEMPLATE": "https://cdn.example.com/{key}?X-Amz-Signature=x",
            "STORAGE_MODE": "presigned",
            "OBJECT_KEY_SECRET": "0123456789abcdef",
        },
        NO_FILE,
    )
    assert settings.genesys_env == "mypurecloud.ie"
    assert settings.genesys_client_secret.reveal() == "secret"


@pytest.mark.parametrize("variable", sorted(REQUIRED))
def test_what_must_be_set_is_named(variable: str) -> None:
    assert complaint(**{variable: ""}).startswith(f"{variable} is not set")


def test_the_pages_mark_as_required_just_what_a_worker_does_not_start_without() -> None:
    marked = {setting.variable for group in GROUPS for setting in settings_of(group) if setting.required}
    assert marked == set(REQUIRED)


@pytest.mark.parametrize(
    ("variables", "said"),
    [
        ({"DOWNLOAD_ALLOW_HTTP": "maybe"}, "one of true, yes, on, 1, false, no, off, 0"),
        ({"S3_ENDPOINT": "ftp://s3"}, "an http:// or https:// address, or empty"),
        ({"GENESYS_POST_MODE": "shout"}, "one of communication, agentless, attributes, tutorial"),
        ({"HEALTH_PORT": "65536"}, "a whole number from 0 to 65535"),
        ({"OBJECT_KEY_SECRET": "hidden"}, "at least 16 random characters"),
        ({"GENESYS_MESSAGE_TEMPLATE": "no address"}, "must contain {url}"),
        ({"GENESYS_MESSAGE_TEMPLATE": "{url} {agent}"}, "placeholders allowed"),
        ({"GENESYS_MESSAGE_TEMPLATE": "{url"}, "not a template"),
        ({"STORAGE_MODE": "presigned"}, "CDN_PRESIGNED_URL_TEMPLATE is not set"),
        (PRESIGNED | {"CDN_PRESIGNED_URL_TEMPLATE": "https://c/?X-Amz-Signature=hidden"}, "must contain {key}"),
        ({"PREVIEW_TTL_SECONDS": "700000"}, "PREVIEW_TTL_SECONDS='700000' is wrong: at most 604800 with presigned GET"),
        ({"WORKER_HEARTBEAT_SECONDS": "15"}, "at most a third of WORKER_SESSION_TIMEOUT_SECONDS, which is 30"),
        ({"RETRY_BASE_SECONDS": "500"}, "at most RETRY_CAP_SECONDS, which is 300"),
        ({"GENESYS_POST_MODE": "agentless"}, "GENESYS_AGENTLESS_FROM_ADDRESS is not set"),
        ({"DOWNLOAD_ALLOWED_NETWORKS": "10.0.0.0/8,home"}, "DOWNLOAD_ALLOWED_NETWORKS='home' is wrong"),
        ({"KAFKA_SASL_MECHANISM": "PLAIN"}, "KAFKA_SASL_MECHANISM='PLAIN' is wrong"),
    ],
)
def test_what_does_not_fit_is_refused_before_anything_starts(variables: dict[str, str], said: str) -> None:
    assert said in complaint(**variables)


@pytest.mark.parametrize(
    ("text", "value"), [("Yes", True), ("ON", True), ("1", True), ("off", False), ("False", False)]
)
def test_switches_are_read_in_every_usual_spelling(text: str, value: bool) -> None:  # noqa: FBT001
    assert worker(DOWNLOAD_ALLOW_HTTP=text).download_allow_http is value


def test_a_public_base_lifts_the_limit_of_presigned_addresses() -> None:
    settings = worker(PREVIEW_TTL_SECONDS="700000", S3_PUBLIC_BASE_URL="https://cdn.example.com")
    assert settings.preview_ttl_seconds == 700_000


def test_what_is_in_force_is_shown_without_secrets() -> None:
    shown = effective(worker(**PRESIGNED, S3_SECRET_KEY="hidden"))
    assert "hidden" not in shown
    assert "GENESYS_CLIENT_SECRET='***'" in shown or "GENESYS_CLIENT_SECRET=***" in shown
    assert "X-Amz-Signature=***" in shown


@pytest.mark.parametrize("path", sorted(pages()))
def test_the_committed_pages_are_those_of_the_settings(path: Path) -> None:
    assert (ROOT / path).read_text(encoding="utf-8") == pages()[path], "run: python -m agents.settings_page"


def test_the_example_file_sets_nothing_but_what_is_required(tmp_path: Path) -> None:
    example = tmp_path / ".env"
    example.write_text(pages()[Path(".env.example")])
    assert load(WorkerSettings, REQUIRED, example) == worker()
    assert load(BridgeSettings, {}, example) == BridgeSettings()


def test_every_line_of_the_example_can_be_uncommented(tmp_path: Path) -> None:
    text = pages()[Path(".env.example")]
    lines = [line.removeprefix("# ") for line in text.splitlines() if "=" in line and line.lstrip("# ")[:1].isupper()]
    example = tmp_path / ".env"
    example.write_text("\n".join(line for line in lines if line.split("=")[0].isupper()))
    assert load(WorkerSettings, REQUIRED, example) == worker()
