"""Genesys Cloud as the agents see it: posting links, reading conversations back, resolving files; see docs/genesys.md.

What every call needs, whoever makes it, is in stream/genesys.
"""

from agents.genesys.client import Genesys, create_genesys
from agents.genesys.links import Link

__all__ = ["Genesys", "Link", "create_genesys"]
