"""Genesys Cloud: posting links, reading conversations back, resolving files; see docs/genesys.md."""

from agents.genesys.client import Genesys, create_genesys
from agents.genesys.history import Media
from agents.genesys.links import Link
from agents.genesys.rate import RateShare

__all__ = ["Genesys", "Link", "Media", "RateShare", "create_genesys"]
