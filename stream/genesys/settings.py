"""Settings of whoever calls Genesys Cloud: the worker, and the backfill command."""

from typing import Annotated, Final

from msgspec import Meta

from stream.genesys.oauth_clients import OAuthClient, oauth_clients
from stream.settings import HttpUrl, KafkaSettings, Positive, PositiveSeconds, Secret, Text, require

REQUIRED: Final = {"required": True}  # for the pages made from the settings; `require_genesys_client` enforces it


class GenesysSettings(KafkaSettings, frozen=True, kw_only=True):
    """Where the API is, who we are there, and what it lets us do.

    The worker's settings inherit it by way of those of rendering, which need no client: msgspec's structs have one
    base. So whoever calls asks for the client by `require_genesys_client`.
    """

    genesys_env: Annotated[Text, Meta(description="Region's domain, e.g. mypurecloud.com or mypurecloud.ie")] = (
        "mypurecloud.com"
    )
    genesys_base_url: Annotated[
        HttpUrl, Meta(description="API address when it is not https://api.GENESYS_ENV (simulator, gateway)")
    ] = ""
    genesys_client_id: Annotated[
        str,
        Meta(
            description="OAuth client id (client credentials); several, separated by commas, multiply the calls",
            extra=REQUIRED,
        ),
    ] = ""
    genesys_client_secret: Annotated[
        Secret, Meta(description="OAuth client secret; of several clients as many, in the same order", extra=REQUIRED)
    ] = Secret("")
    genesys_calls_per_minute: Annotated[
        Positive, Meta(description="Calls a minute that each OAuth client may make, all workers together")
    ] = 300
    genesys_timeout_seconds: Annotated[PositiveSeconds, Meta(description="Deadline of one API call, seconds")] = 10.0

    @property
    def genesys_address(self) -> str:
        """The API's address."""
        return self.genesys_base_url or f"https://api.{self.genesys_env}"

    @property
    def oauth_clients(self) -> tuple[OAuthClient, ...]:
        """The OAuth clients that calls are made with."""
        return oauth_clients(self.genesys_client_id, self.genesys_client_secret)

    def require_genesys_client(self) -> None:
        """Do nothing where calls can be made.

        Raises:
            WrongSettingError: GENESYS_CLIENT_ID or GENESYS_CLIENT_SECRET is missing, or they do not fit together.
        """
        require(bool(self.genesys_client_id), "GENESYS_CLIENT_ID", "", "the OAuth client's id")
        require(bool(self.genesys_client_secret), "GENESYS_CLIENT_SECRET", "", "the OAuth client's secret")
        oauth_clients(self.genesys_client_id, self.genesys_client_secret)
