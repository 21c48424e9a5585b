"""`python -m tests.harness.genesys --port 8090`: the simulator as a process; ends on SIGTERM or Ctrl-C."""

import argparse
import asyncio
import signal

import msgspec

from tests.harness.genesys.settings import SimulatorSettings
from tests.harness.genesys.simulator import Simulator


async def run(settings: SimulatorSettings, host: str, advertised: str, port: int, files_port: int) -> None:
    stop = asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(number, stop.set)
    simulator = Simulator(settings, host=host, advertised=advertised, port=port, files_port=files_port)
    async with simulator:
        print(f"base_url={simulator.base_url}", flush=True)
        print(f"files_url={simulator.files_url}", flush=True)
        await stop.wait()


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m tests.harness.genesys", description=__doc__)
    parser.add_argument("--host", default="127.0.0.1")
    parser.add_argument("--advertise", default="", help="the host in addresses of files, if it is another one")
    parser.add_argument("--port", type=int, default=0, help="login, API and control; 0 takes a free one")
    parser.add_argument("--files-port", type=int, default=0, help="token-less downloads; 0 takes a free one")
    parser.add_argument("--settings", default="{}", help='JSON, e.g. {"callsPerMinute": 0}; see settings.py')
    given = parser.parse_args()
    settings = msgspec.json.decode(given.settings, type=SimulatorSettings)
    asyncio.run(run(settings, given.host, given.advertise, given.port, given.files_port))


if __name__ == "__main__":
    main()
