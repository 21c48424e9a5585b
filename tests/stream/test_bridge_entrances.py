import logging

import pytest

from stream.arrival import EventSource
from stream.authenticity import Claim
from stream.bridge.entrances import Entrances, is_loopback
from stream.bridge.intake import Intake
from stream.refusals import RefusedRequestError
from stream.settings import BridgeSettings, Secret, WrongSettingError

TUTORIAL, OPEN_MESSAGING, NOTIFICATIONS, MESSAGES = EventSource
LOCAL = "127.0.0.1"


def entrances(**settings: object) -> Entrances:
    return Entrances.of(BridgeSettings(**settings))  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("host", "loopback"),
    [
        ("127.0.0.1", True),
        ("127.8.9.1", True),
        ("::1", True),
        ("localhost", True),
        ("0.0.0.0", False),
        ("::", False),
        ("10.0.0.1", False),
        ("bridge.example.com", False),
    ],
)
def test_only_this_machine_reaches_a_loopback_address(host: str, loopback: bool) -> None:  # noqa: FBT001
    assert is_loopback(host) is loopback


@pytest.mark.parametrize("host", ["0.0.0.0", "::", "192.0.2.1", "bridge.example.com"])
def test_nobody_starts_unauthenticated_on_a_public_address_by_accident(host: str) -> None:
    with pytest.raises(WrongSettingError, match=r"^WEBHOOK_SECRET is not set: .*WEBHOOK_ALLOW_UNAUTHENTICATED=true"):
        entrances(bridge_host=host)
    assert entrances(bridge_host=host, webhook_allow_unauthenticated=True).unguarded == tuple(EventSource)


def test_on_a_loopback_address_every_source_is_open_unless_it_has_credentials() -> None:
    made = entrances(bridge_host=LOCAL, webhook_messages_credentials=Secret("bearer:token"))
    assert (made.guarded, made.unguarded, made.closed) == ((MESSAGES,), (TUTORIAL, OPEN_MESSAGING, NOTIFICATIONS), ())


def test_on_a_public_address_sources_without_credentials_are_closed() -> None:
    made = entrances(webhook_open_messaging_credentials=Secret("hub:hush"))
    assert (made.guarded, made.unguarded) == ((OPEN_MESSAGING,), ())
    assert made.closed == (TUTORIAL, NOTIFICATIONS, MESSAGES)


def test_the_common_secret_guards_every_source_without_credentials_of_its_own() -> None:
    settings = BridgeSettings(webhook_secret=Secret("a,b"), webhook_messages_credentials=Secret("bearer:token"))
    assert Entrances.of(settings).guarded == tuple(EventSource)
    assert settings.credentials(TUTORIAL).hub == (b"a", b"b")
    assert (settings.credentials(MESSAGES).hub, settings.credentials(MESSAGES).bearer) == ((), (b"token",))


@pytest.mark.parametrize(
    ("settings", "level"),
    [
        ({"bridge_host": LOCAL}, logging.INFO),
        ({"webhook_secret": Secret("hush")}, logging.INFO),
        ({"webhook_allow_unauthenticated": True}, logging.WARNING),
    ],
)
def test_who_may_send_is_told_and_loudly_where_anybody_may(
    settings: dict[str, object], level: int, caplog: pytest.LogCaptureFixture
) -> None:
    with caplog.at_level(logging.INFO, "stream"):
        entrances(**settings).tell()
    (record,) = caplog.records
    assert (record.getMessage(), record.levelno) == ("bridge.sources", level)


def intakes(**settings: object) -> dict[EventSource, Intake]:
    read = BridgeSettings(**settings)  # type: ignore[arg-type]
    return {intake.source: intake for intake in Entrances.of(read).intakes(read, lambda: 0.0)}


def status(intake: Intake, **headers: str) -> int:
    raw = {name.encode(): value.encode() for name, value in headers.items()}
    try:
        intake.read(Claim(raw, b'{"conversationId": "c", "messageId": "m"}', LOCAL, 0.0))
    except RefusedRequestError as error:
        return error.status
    return 202


def test_each_source_has_the_credentials_and_the_rate_of_its_settings() -> None:
    made = intakes(
        webhook_messages_credentials=Secret("bearer:token"),
        webhook_messages_requests_per_second=1.0,
        webhook_tutorial_credentials=Secret("bearer:other"),
    )
    assert made.keys() == {MESSAGES, TUTORIAL}
    messages, tutorial = made[MESSAGES], made[TUTORIAL]
    assert [status(messages, authorization="Bearer token") for _ in range(2)] == [202, 429]
    assert [status(tutorial, authorization="Bearer other") for _ in range(2)] == [202, 202]
    assert [status(tutorial, authorization="Bearer token"), status(messages)] == [401, 401]
