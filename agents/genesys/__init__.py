"""Genesys Cloud: posting links, reading conversations back, resolving files; see docs/genesys.md."""

from agents.genesys.client import Genesys, create_genesys
from agents.genesys.links import Link
from agents.genesys.rate import RateShare

__all__ = ["Genesys", "Link", "RateShare", "create_genesys"]
