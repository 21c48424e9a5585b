from types import TracebackType
from typing import Self

from aiohttp import web

from tests.harness.genesys.api import Api
from tests.harness.genesys.control import Control
from tests.harness.genesys.gate import Gate
from tests.harness.genesys.settings import SimulatorSettings
from tests.harness.genesys.state import State

MAX_FILE_BYTES = 64 * 1024 * 1024


class Simulator:
    """Login, API and control on one port, files on another; runs in the loop that starts it."""

    def __init__(
        self,
        settings: SimulatorSettings | None = None,
        *,
        host: str = "127.0.0.1",
        advertised: str = "",
        port: int = 0,
        files_port: int = 0,
    ) -> None:
        self.state = State(settings or SimulatorSettings())
        self._host = host
        self._advertised = advertised
        self._port = port
        self._files_port = files_port
        self._runners: list[web.AppRunner] = []

    @property
    def base_url(self) -> str:
        return self.state.base_url

    @property
    def files_url(self) -> str:
        return self.state.files_url

    async def start(self) -> None:
        app = web.Application(middlewares=[Gate(self.state).middleware()], client_max_size=MAX_FILE_BYTES)
        Api(self.state).add_to(app.router)
        Control(self.state).add_to(app.router)
        self.state.base_url = await self._serve(app, self._port)
        self.state.files_url = await self._serve(self.state.files.app(), self._files_port)

    async def stop(self) -> None:
        while self._runners:
            await self._runners.pop().cleanup()

    async def __aenter__(self) -> Self:
        await self.start()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.stop()

    async def _serve(self, app: web.Application, port: int) -> str:
        runner = web.AppRunner(app, access_log=None, shutdown_timeout=0.2)
        await runner.setup()
        self._runners.append(runner)
        await web.TCPSite(runner, self._host, port).start()
        host, bound_port = runner.addresses[0][:2]
        return f"http://{self._advertised or host}:{bound_port}"
