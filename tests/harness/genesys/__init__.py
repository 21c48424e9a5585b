"""A simulator of Genesys Cloud: login, API, downloads, faults on demand, the webhook's sender, and the judge."""

from tests.harness.genesys.settings import SimulatorSettings
from tests.harness.genesys.simulator import Simulator

__all__ = ["Simulator", "SimulatorSettings"]
