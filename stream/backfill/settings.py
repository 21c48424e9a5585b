from stream.genesys.settings import GenesysSettings
from stream.settings import OwnHosts


class BackfillSettings(GenesysSettings, frozen=True, kw_only=True):
    """The backfill command: Kafka, Genesys, and what the bridge ignores."""

    webhook_own_hosts: OwnHosts = ()

    def __post_init__(self) -> None:
        super().__post_init__()
        self.require_genesys_client()
