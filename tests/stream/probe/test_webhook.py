import base64

import msgspec
import pytest

from stream.arrival import EventSource
from stream.authenticity.claim import Claim
from stream.messages import Attachment
from stream.probe.webhook import NOWHERE, SOURCES, Webhook, webhook
from stream.settings import BridgeSettings, Secret, WrongSettingError
from stream.sources.body import Ignored
from stream.webhook import parse

NOW = 1_790_000_000.0
STANDARD = "standard:whsec_" + base64.b64encode(b"s" * 24).decode()
NAME = "probe-1"


def made(settings: BridgeSettings) -> Webhook:
    return webhook(settings, NAME, file_url=NOWHERE, conversation_id="c", now=NOW)


def source_of(posted: Webhook) -> EventSource:
    return {"attachments": EventSource.TUTORIAL, "open-messaging": EventSource.OPEN_MESSAGING}[
        posted.path.removeprefix("/webhooks/genesys/")
    ]


def attachment(posted: Webhook) -> Attachment:
    event = parse(source_of(posted), posted.body)
    assert not isinstance(event, Ignored)
    (found,) = event.attachments
    return found


@pytest.mark.parametrize("credential", ["hub:hush", "bearer:hush", STANDARD, "mtls:any,bearer:hush"])
@pytest.mark.parametrize("source", SOURCES)
def test_the_bridge_lets_a_probe_in_by_whatever_credential_it_has(source: EventSource, credential: str) -> None:
    variable = f"webhook_{source.replace('-', '_')}_credentials"
    proxies = {"webhook_trusted_proxies": ("10.0.0.0/8",)} if "mtls" in credential else {}
    settings = msgspec.structs.replace(BridgeSettings(), **{variable: Secret(credential)}, **proxies)
    posted = made(settings)
    assert source_of(posted) is source
    guard = settings.credentials(source).guard(settings.trusted_proxies)
    headers = {name.encode(): value.encode() for name, value in posted.headers.items()}
    guard.check(Claim(headers=headers, body=posted.body, peer="192.0.2.9", now=NOW))
    assert attachment(posted).attachment_url == NOWHERE


def test_the_secret_of_all_sources_will_do() -> None:
    posted = made(BridgeSettings(webhook_secret=Secret("hush,older")))
    assert posted.headers["x-hub-signature-256"].startswith("sha256=")
    assert attachment(posted).event_id == NAME


def test_a_bridge_that_asks_for_nothing_is_told_nothing() -> None:
    assert made(BridgeSettings()).headers == {"content-type": "application/json"}


def test_a_bridge_that_asks_for_certificates_alone_cannot_be_probed() -> None:
    settings = BridgeSettings(webhook_tutorial_credentials=Secret("mtls:any"), webhook_trusted_proxies=("10.0.0.0/8",))
    with pytest.raises(WrongSettingError, match="a probe can prove itself by no other"):
        made(settings)
