import asyncio
import base64
import hashlib
import hmac
import json
import subprocess
import sys
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import aiohttp
import msgspec
import pytest
from aiohttp import web

from tests.harness.genesys import Simulator, SimulatorSettings
from tests.harness.genesys.faults import Fault, Faults
from tests.harness.genesys.sender import Delivery, WebhookSender
from tests.harness.genesys.server import GenesysServer

WHOLE_SDK = """
import sys
import PureCloudPlatformClientV2 as sdk

base_url, download_id = sys.argv[1:]
sdk.configuration.host = base_url
client = sdk.api_client.ApiClient().get_client_credentials_token("simulated-client", "simulated-secret")
conversations = sdk.ConversationsApi(client)
conversation = conversations.get_conversation("c")
customer = next(one for one in conversation.participants if one.purpose == "customer")
agent = next(one for one in conversation.participants if one.purpose == "agent")
body = sdk.AdditionalMessage()
body.text_body = "hello"
said = conversations.post_conversations_message_communication_messages("c", agent.messages[0].id, body)
assert said.normalized_message.text == "hello" and said.conversation_id == "c", said
history = conversations.get_conversations_message("c")
ids = [one.message_id for participant in history.participants for one in participant.messages]
assert said.id in ids, ids
assert conversations.post_conversations_message_messages_bulk("c", body=[said.id]).entities[0].id == said.id
assert conversations.get_conversations_message_message("c", said.id).direction == "outbound"
attributes = sdk.ParticipantAttributes()
attributes.attributes = {"k": "v"}
conversations.patch_conversations_message_participant_attributes("c", customer.id, body=attributes)
assert conversations.get_conversation("c").participants[0].attributes == {"k": "v"}
request = sdk.SendAgentlessOutboundMessageRequest()
request.from_address, request.to_address = "us", customer.messages[0].from_address.address_normalized
request.to_address_messenger_type, request.text_body = "open", "agentless"
request.use_existing_active_conversation = True
assert conversations.post_conversations_messages_agentless(request).conversation_id == "c"
found = sdk.DownloadsApi(client).get_download(download_id, issue_redirect=False, redirect_to_auth=False)
assert found.url.startswith("http://127.0.0.1:"), found
try:
    client.access_token = "expired"
    conversations.get_conversation("c")
except sdk.rest.ApiException as error:
    assert error.status == 401 and error.headers["ININ-Correlation-Id"], error
else:
    raise AssertionError("an unknown token was accepted")
"""


@pytest.fixture
async def http() -> AsyncIterator[aiohttp.ClientSession]:
    async with aiohttp.ClientSession() as session:
        yield session


async def token(http: aiohttp.ClientSession, simulator: Simulator, secret: str = "simulated-secret") -> str:
    auth = aiohttp.encode_basic_auth("simulated-client", secret)
    form = {"grant_type": "client_credentials"}
    headers = {"Authorization": auth}
    async with http.post(f"{simulator.base_url}/oauth/token", data=form, headers=headers) as response:
        assert response.status == 200
        return str((await response.json())["access_token"])


async def get(http: aiohttp.ClientSession, simulator: Simulator, path: str, bearer: str) -> aiohttp.ClientResponse:
    headers = {"Authorization": f"Bearer {bearer}"}
    async with http.get(f"{simulator.base_url}/api/v2{path}", headers=headers) as response:
        await response.read()
        return response


@pytest.mark.system
async def test_the_whole_sdk_runs_against_it_unmodified() -> None:
    async with Simulator(SimulatorSettings(history_shape="model", messenger_type="open")) as simulator:
        file = simulator.state.files.add("a.png", "image/png", b"png")
        child = await asyncio.create_subprocess_exec(
            sys.executable, "-c", WHOLE_SDK, simulator.base_url, file.download_id, stderr=subprocess.PIPE
        )
        _, errors = await child.communicate()
        assert child.returncode == 0, errors.decode()


async def test_a_wrong_client_is_answered_400(http: aiohttp.ClientSession, simulator: Simulator) -> None:
    for authorization in (aiohttp.encode_basic_auth("simulated-client", "wrong"), "Basic ?", "Bearer x", ""):
        async with http.post(
            f"{simulator.base_url}/oauth/token",
            data={"grant_type": "client_credentials"},
            headers={"Authorization": authorization},
        ) as response:
            assert response.status == 400


async def test_the_bearer_is_checked_exactly(http: aiohttp.ClientSession, simulator: Simulator) -> None:
    bearer = await token(http, simulator)
    assert (await get(http, simulator, "/conversations/c", bearer)).status == 200
    for wrong in (bearer + "x", bearer[:-1], "", bearer.swapcase()):
        assert (await get(http, simulator, "/conversations/c", wrong)).status == 401


async def test_a_token_ends(http: aiohttp.ClientSession) -> None:
    async with Simulator(SimulatorSettings(token_seconds=1e-9)) as simulator:
        bearer = await token(http, simulator)
        assert (await get(http, simulator, "/conversations/c", bearer)).status == 401


@pytest.mark.parametrize(("limit_by", "status"), [("client", 429), ("token", 200)])
async def test_the_limit_counts_by_client_or_by_token(http: aiohttp.ClientSession, limit_by: Any, status: int) -> None:
    async with Simulator(SimulatorSettings(calls_per_minute=2, limit_by=limit_by)) as simulator:
        first = await token(http, simulator)
        for used in ("1", "2"):
            answer = await get(http, simulator, "/conversations/c", first)
            assert answer.headers["inin-ratelimit-count"] == used
            assert answer.headers["inin-ratelimit-allowed"] == "2"
        over = await get(http, simulator, "/conversations/c", first)
        assert over.status == 429
        assert 0 < int(over.headers["Retry-After"]) <= 60
        assert over.headers["ININ-Correlation-Id"]
        assert (await get(http, simulator, "/conversations/c", await token(http, simulator))).status == status


async def test_an_expired_file_address_is_refused(http: aiohttp.ClientSession) -> None:
    async with Simulator(SimulatorSettings(file_url_seconds=1e-9)) as simulator:
        file = simulator.state.files.add("a.png", "image/png", b"png")
        bearer = await token(http, simulator)
        headers = {"Authorization": f"Bearer {bearer}"}
        path = f"/api/v2/downloads/{file.download_id}?issueRedirect=false"
        async with http.get(simulator.base_url + path, headers=headers) as response:
            url = (await response.json())["url"]
        async with http.get(url) as response:
            assert response.status == 403
        async with http.get(url, headers=headers) as response:
            assert response.status == 400
        assert simulator.state.files.token_leaks == 1


def test_faults_by_probability_repeat_with_their_seed() -> None:
    def picks(seed: int) -> list[bool]:
        faults = Faults(seed)
        faults.add(Fault(kind="drop_after", probability=0.3))
        return [faults.pick("get_history", None) is not None for _ in range(200)]

    assert picks(1) == picks(1)
    assert picks(1) != picks(2)
    assert 30 < sum(picks(1)) < 90


def test_a_fault_is_for_its_call_and_conversation_and_counts_down() -> None:
    faults = Faults(0)
    faults.add(Fault(kind="drop_after", call="get_history", conversation_id="c", count=1))
    assert faults.pick("get_message", "c") is None
    assert faults.pick("get_history", "d") is None
    assert faults.pick("get_history", "c") is not None
    assert faults.pick("get_history", "c") is None


class Receiver:
    """Answers webhooks with the statuses given, then 200."""

    def __init__(self, *statuses: int) -> None:
        self.statuses = list(statuses)
        self.bodies: list[bytes] = []
        self.signatures: list[str] = []
        self.delays: list[float] = []

    async def sleep(self, seconds: float) -> None:
        self.delays.append(seconds)

    async def send(self, http: aiohttp.ClientSession, delivery: Delivery) -> list[int]:
        app = web.Application()
        app.router.add_post("/hook", self._take)
        runner = web.AppRunner(app, shutdown_timeout=0.1)
        await runner.setup()
        await web.TCPSite(runner, "127.0.0.1", 0).start()
        delivery.url = f"http://127.0.0.1:{runner.addresses[0][1]}/hook"
        receipt = await WebhookSender(http, self.sleep).send(delivery)
        await runner.cleanup()
        assert receipt.delivered == (200 <= receipt.statuses[-1] < 300)
        return receipt.statuses

    async def _take(self, request: web.Request) -> web.Response:
        self.bodies.append(await request.read())
        self.signatures.append(request.headers.get("X-Hub-Signature-256", ""))
        status = self.statuses.pop(0) if self.statuses else 200
        if status == 0:
            await asyncio.sleep(5)
        return web.Response(status=status)


async def test_a_webhook_is_signed_in_base64_over_the_raw_body(http: aiohttp.ClientSession) -> None:
    receiver = Receiver()
    await receiver.send(http, Delivery(url="", payload={"id": "ü"}, secret="s3cret"))
    digest = hmac.new(b"s3cret", receiver.bodies[0], hashlib.sha256).digest()
    assert receiver.signatures == [f"sha256={base64.b64encode(digest).decode()}"]
    assert json.loads(receiver.bodies[0]) == {"id": "ü"}


@pytest.mark.parametrize(
    ("answers", "sent"),
    [
        ([202], [202]),
        ([503, 202], [503, 202]),
        ([429, 500, 202], [429, 500, 202]),
        ([400], [400]),
        ([401, 202], [401]),
        ([500] * 9, [500] * 6),
        ([0, 202], [0, 202]),
    ],
)
async def test_a_webhook_is_sent_again_after_timeout_429_and_5xx_only(
    http: aiohttp.ClientSession, answers: list[int], sent: list[int]
) -> None:
    receiver = Receiver(*answers)
    patience_seconds = 1.0 if 0 in answers else 30.0  # a busy machine takes its time, too
    assert await receiver.send(http, Delivery(url="", payload={}, timeout_seconds=patience_seconds)) == sent
    assert receiver.delays == [5.0] * (len(sent) - 1)


def test_it_runs_as_a_process_that_others_drive_and_judge(tmp_path: Path) -> None:
    with GenesysServer(tmp_path, SimulatorSettings(calls_per_minute=7)) as server:
        control = server.control
        given = control.attach("c/1", "a b.png", "image/png", b"png")
        assert given["attachmentUrl"].startswith(f"{server.base_url}/api/v2/downloads/")
        control.add_fault(Fault(kind="drop_after", count=1))
        control.change(callsPerMinute=9)
        assert control.call("GET", "/settings")["callsPerMinute"] == 9
        control.call("POST", "/conversations/c%2F1/messages", {"text": "hi", "copies": 3})
        assert [message["text"] for message in control.messages("c/1")] == ["", "hi", "hi", "hi"]
        assert [one["id"] for one in control.conversations()] == ["c/1"]
        control.call("POST", f"/attachments/{given['attachmentId']}/expire")
        control.call("POST", "/conversations/c%2F1/transfer")
        assert control.call("POST", "/conversations/c%2F1/close")["active"] is False
        control.call("PUT", "/conversations/d?agent=false")
        control.call("POST", "/tokens/revoke")
        assert control.counters()["messages"] == 4
        control.clear_faults()
        control.reset()
        assert control.conversations() == []
        with pytest.raises(RuntimeError, match="answered 404"):
            control.messages("unknown")


def test_settings_and_faults_that_nobody_knows_are_errors() -> None:
    with pytest.raises(msgspec.ValidationError):
        msgspec.json.decode(b'{"kind": "slow", "secnds": 3}', type=Fault)
    with pytest.raises(msgspec.ValidationError):
        msgspec.json.decode(b'{"callsPerMinit": 3}', type=SimulatorSettings)
