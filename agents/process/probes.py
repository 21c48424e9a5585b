"""The worker's HTTP port: /startupz, /healthz, /readyz and /metrics."""

from collections.abc import Awaitable, Callable

from aiohttp import web

from stream.health import HealthReport
from stream.settings import wrong
from stream.telemetry import CONTENT_TYPE_LATEST, Health, Metrics, exposition


class Probes:
    """Serves the probes in the worker's own loop, so that a blocked loop shows as a failing /healthz."""

    def __init__(self, health: Health, metrics: Metrics, host: str, port: int) -> None:
        self._metrics = metrics
        self._host = host
        self._port = port
        app = web.Application()
        app.add_routes(
            [
                web.get("/startupz", self._answering(health.startup)),
                web.get("/healthz", self._answering(health.liveness)),
                web.get("/readyz", self._answering(health.readiness)),
                web.get("/metrics", self._show),
            ]
        )
        self._runner = web.AppRunner(app, access_log=None)

    async def start(self) -> int:
        """Listen, and return the port.

        Raises:
            WrongSettingError: The port cannot be had.
        """
        await self._runner.setup()
        try:
            await web.TCPSite(self._runner, self._host, self._port).start()
        except OSError as error:
            await self._runner.cleanup()
            raise wrong(
                "HEALTH_PORT", str(self._port), f"a port that is free on {self._host} ({error.strerror})"
            ) from error
        port: int = self._runner.addresses[0][1]
        return port

    async def close(self) -> None:
        """Stop listening."""
        await self._runner.cleanup()

    def _answering(self, probe: Callable[[], HealthReport]) -> Callable[[web.Request], Awaitable[web.Response]]:
        async def answer(_: web.Request) -> web.Response:
            report = probe()
            return web.Response(status=report.status, body=report.body(), content_type="application/json")

        return answer

    async def _show(self, _: web.Request) -> web.Response:
        return web.Response(body=exposition(self._metrics.registry), headers={"Content-Type": CONTENT_TYPE_LATEST})
