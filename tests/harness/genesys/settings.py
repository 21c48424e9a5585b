from typing import Annotated, Literal

from msgspec import Meta, Struct


class SimulatorSettings(Struct, kw_only=True, rename="camel", forbid_unknown_fields=True):
    """How the simulator behaves; PATCH /_sim/settings changes it while it runs."""

    client_id: str = "simulated-client"
    client_secret: str = "simulated-secret"
    further_clients: Annotated[dict[str, str], Meta(description="More OAuth clients: secrets by id")] = {}
    calls_per_minute: Annotated[int, Meta(ge=0, description="0 means no limit")] = 300
    limit_by: Literal["client", "token"] = "client"
    token_seconds: Annotated[float, Meta(gt=0)] = 86_400.0
    auto_create: Annotated[bool, Meta(description="Unknown conversations come into being on first use")] = True
    with_agent: Annotated[bool, Meta(description="New conversations have an agent's leg")] = True
    messenger_type: str = "webmessaging"
    history_shape: Annotated[
        Literal["legs", "model"],
        Meta(description="message ids at participants[].messages[].messages[], or where the SDK's model has them"),
    ] = "legs"
    file_url_seconds: Annotated[float, Meta(gt=0, description="How long a file's token-less address lives")] = 300.0
    latency_seconds: Annotated[float, Meta(ge=0)] = 0.0
    seed: int = 0
