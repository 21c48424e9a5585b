"""Guarded download: a file that anyone may have named is fetched without ever reaching into our own network."""

from agents.download.addresses import AddressPolicy
from agents.download.fetch import Download, Downloader, create_downloader
from agents.download.targets import SourcePolicy

__all__ = ["AddressPolicy", "Download", "Downloader", "SourcePolicy", "create_downloader"]
