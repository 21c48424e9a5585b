"""Apache Kafka that asks its clients for proof, and an endpoint that grants tokens."""

import datetime as dt
import json
import threading
from base64 import b64decode, urlsafe_b64encode
from collections.abc import Callable
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from types import TracebackType
from typing import Final, Self
from urllib.parse import parse_qs

from tests.harness.certificates import Authority
from tests.harness.kafka import RealKafka
from tests.harness.processes import free_port

HOST: Final = "localhost"  # certificates are made out to a name
PASSWORD: Final = "open, sesame"
JAAS: Final = "org.apache.kafka.common.security"
BEARER: Final = f'{JAAS}.oauthbearer.OAuthBearerLoginModule required unsecuredLoginStringClaim_sub="broker";'
PLAIN: Final = f'{JAAS}.plain.PlainLoginModule required user_bridge="{PASSWORD}";'

LISTENERS: Final = """
listeners={plain},CONTROLLER://127.0.0.1:{controller},MTLS://{host}:{mtls},TOKEN://{host}:{token},USER://{host}:{user}
advertised.listeners={plain},MTLS://{host}:{mtls},TOKEN://{host}:{token},USER://{host}:{user}
listener.security.protocol.map=CONTROLLER:PLAINTEXT,PLAINTEXT:PLAINTEXT,MTLS:SSL,TOKEN:SASL_SSL,USER:SASL_PLAINTEXT
ssl.keystore.type=PEM
ssl.keystore.location={identity}
ssl.truststore.type=PEM
ssl.truststore.location={authority}
listener.name.mtls.ssl.client.auth=required
listener.name.token.sasl.enabled.mechanisms=OAUTHBEARER
listener.name.token.oauthbearer.sasl.jaas.config={bearer}
listener.name.user.sasl.enabled.mechanisms=PLAIN
listener.name.user.plain.sasl.jaas.config={password}
"""


class SecuredKafka(RealKafka):
    """A broker with three more listeners: mTLS, tokens (unsigned, over TLS), and user names."""

    def __init__(self, folder: Path, now: dt.datetime) -> None:
        super().__init__(folder)
        authority = Authority(now)
        self.authority = authority.write(folder)
        self.mtls, self.token, self.user = (f"{HOST}:{free_port()}" for _ in range(3))
        self._identity = authority.identity(HOST, folder)
        self.client_identity = authority.identity("bridge", folder)

    def _format(self) -> None:
        super()._format()
        text = self._properties.read_text()
        controller = text.split("controller.quorum.bootstrap.servers=127.0.0.1:")[1].split()[0]
        more = LISTENERS.format(
            plain=f"PLAINTEXT://{self.bootstrap_servers}",
            controller=controller,
            host=HOST,
            **{name: getattr(self, name).split(":")[1] for name in ("mtls", "token", "user")},
            identity=self._identity,
            authority=self.authority,
            bearer=BEARER,
            password=PLAIN,
        )
        self._properties.write_text(text + more)  # the last of two lines of one name counts


class TokenEndpoint:
    """Grants unsigned tokens to one client; `asked` holds the scopes that were asked for."""

    def __init__(self, client_id: str, client_secret: str, clock: Callable[[], float]) -> None:
        self.asked: list[str] = []
        self.life_seconds = 300
        self._clock = clock
        self._proof = f"{client_id}:{client_secret}"
        self._server = ThreadingHTTPServer(("127.0.0.1", 0), self._handler())
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.05,))

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self._server.server_port}/token"

    def answer(self, authorization: str, body: str) -> tuple[int, bytes]:
        kind, _, proof = authorization.partition(" ")
        form = parse_qs(body)
        if kind != "Basic" or b64decode(proof).decode() != self._proof or form["grant_type"] != ["client_credentials"]:
            return 401, b'{"error": "invalid_client"}'
        self.asked.append(form.get("scope", [""])[0])
        return 200, json.dumps(
            {"access_token": self._unsigned(), "token_type": "Bearer", "expires_in": self.life_seconds}
        ).encode()

    def _unsigned(self) -> str:
        now = int(self._clock())
        claims = {"sub": "bridge", "scope": "kafka", "iat": now, "exp": now + self.life_seconds}
        return f"{_encoded({'alg': 'none'})}.{_encoded(claims)}."

    def _handler(self) -> type[BaseHTTPRequestHandler]:
        endpoint = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                body = self.rfile.read(int(self.headers["content-length"])).decode()
                status, answer = endpoint.answer(self.headers["authorization"] or "", body)
                self.send_response(status)
                self.send_header("content-type", "application/json")
                self.send_header("content-length", str(len(answer)))
                self.end_headers()
                self.wfile.write(answer)

            def log_message(self, *_: object) -> None: ...

        return Handler

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._server.shutdown()
        self._thread.join()
        self._server.server_close()


def _encoded(claims: object) -> str:
    return urlsafe_b64encode(json.dumps(claims).encode()).decode().rstrip("=")
