"""Settings of the worker; see stream/settings.py for how they are read."""

from ipaddress import ip_network
from typing import Annotated, Final, Literal

from msgspec import Meta

from agents.rendering.layers import Layer
from stream.genesys.settings import REQUIRED, GenesysSettings
from stream.settings import (
    HttpUrl,
    Port,
    Positive,
    PositiveSeconds,
    Secret,
    Text,
    require,
    require_placeholders,
    wrong,
)
from stream.topics import LATEST_DELETION

MIN_SECRET_CHARACTERS: Final = 16
SECONDS_PER_HOUR: Final = 3600.0
MAX_PRESIGNED_SECONDS: Final = 604_800  # AWS Signature V4: X-Amz-Expires is at most seven days


class RenderSettings(GenesysSettings, frozen=True, kw_only=True):
    """Rendering, as the worker and the render command do it."""

    render_children: Annotated[int, Meta(ge=0, le=256, description="Rendering children; 0 means one a core")] = 0
    render_max_edge_px: Annotated[int, Meta(ge=16, le=4096, description="Longest side of a preview, pixels")] = 300
    render_webp_quality: Annotated[int, Meta(ge=1, le=100, description="WebP quality")] = 85
    render_max_pixels: Annotated[
        Positive, Meta(description="Pixels of a source; of an animated preview, all frames summed")
    ] = 50_000_000
    render_timeout_seconds: Annotated[PositiveSeconds, Meta(description="Deadline of one rendering, seconds")] = 20.0
    render_memory_bytes: Annotated[Positive, Meta(description="Address space of a rendering child, bytes")] = (
        1_610_612_736
    )
    render_placeholders: Annotated[
        bool,
        Meta(description="Post a card (type, name, size) for videos, Office files and the like; verdict unsupported"),
    ] = False
    render_extra_edges_px: Annotated[
        tuple[Annotated[int, Meta(ge=16, le=2048)], ...],
        Meta(description="Longest sides of further sizes of each preview, pixels (16 to 2048), separated by commas"),
    ] = ()
    render_animated: Annotated[bool, Meta(description="Animated previews of animations within the budget")] = False
    render_animation_frames: Annotated[
        int, Meta(ge=2, le=1000, description="Most frames of an animated preview; longer ones show their first frame")
    ] = 60
    render_placeholder_hash: Annotated[
        Literal["none", "thumbhash", "data_uri"],
        Meta(description="Text in the result that stands in until the preview is loaded"),
    ] = "none"
    render_require_confinement: Annotated[
        tuple[str, ...],
        Meta(
            description="Layers of confinement without which no file is rendered, separated by commas; "
            f"all, or some of {', '.join(Layer)}; empty: go on with a warning"
        ),
    ] = ()

    download_max_bytes: Annotated[Positive, Meta(description="Largest file, bytes (Genesys allows 25 MB)")] = 26_214_400

    def __post_init__(self) -> None:
        super().__post_init__()
        for layer in self.render_require_confinement:
            allowed = f"all, or layers among {', '.join(Layer)}, separated by commas"
            require(layer in {*Layer, "all"}, "RENDER_REQUIRE_CONFINEMENT", layer, allowed)

    @property
    def required_layers(self) -> frozenset[Layer]:
        """The layers of confinement without which no file is rendered."""
        asked = self.render_require_confinement
        return frozenset(Layer) if "all" in asked else frozenset(map(Layer, asked))


class WorkerSettings(RenderSettings, frozen=True, kw_only=True):
    """The worker: agents, timer, rendering children."""

    worker_member_id: Annotated[
        str, Meta(description="Static group member id (group.instance.id); empty for a dynamic member")
    ] = ""
    worker_session_timeout_seconds: Annotated[PositiveSeconds, Meta(description="Kafka session timeout, seconds")] = (
        30.0
    )
    worker_heartbeat_seconds: Annotated[PositiveSeconds, Meta(description="Kafka heartbeat interval, seconds")] = 3.0
    worker_commit_interval_seconds: Annotated[
        PositiveSeconds, Meta(description="How often offsets are committed, seconds")
    ] = 1.0
    worker_drain_seconds: Annotated[
        PositiveSeconds, Meta(description="How long a rebalance waits for jobs in flight, seconds")
    ] = 40.0
    shutdown_seconds: Annotated[
        PositiveSeconds,
        Meta(description="How long the worker's end may take from SIGTERM on, seconds; three quarters are for jobs"),
    ] = 25.0
    worker_data_dir: Annotated[Text, Meta(description="Folder for Faust's state; one a worker")] = "worker-data"
    worker_table_store: Annotated[
        Literal["memory", "rocksdb"],
        Meta(description="Where table rows live; rocksdb needs the extra of that name"),
    ] = "memory"
    worker_scratch_dir: Annotated[
        str, Meta(description="Private folder for tools that need files; empty for one under the system's")
    ] = ""
    health_host: Annotated[Text, Meta(description="Address of /healthz, /readyz and /metrics")] = "0.0.0.0"  # noqa: S104
    health_port: Annotated[Port, Meta(description="Port of /healthz, /readyz and /metrics; 0 takes a free one")] = 8081

    liveness_stalled_seconds: Annotated[
        float,
        Meta(
            ge=0,
            description="How long a partition may make no progress, though nothing holds it up, before /healthz fails; "
            "0: as long as every record in a lane may take until its deadlines, one after the other",
        ),
    ] = 0.0

    render_concurrency: Annotated[Positive, Meta(description="Attachments in flight in one worker")] = 8

    download_timeout_seconds: Annotated[PositiveSeconds, Meta(description="Deadline of one download, seconds")] = 20.0
    download_connect_timeout_seconds: Annotated[
        PositiveSeconds, Meta(description="Deadline of one connection, seconds")
    ] = 5.0
    download_stall_timeout_seconds: Annotated[
        PositiveSeconds, Meta(description="Longest wait for the next bytes of a download, seconds")
    ] = 8.0
    download_max_redirects: Annotated[int, Meta(ge=0, le=20, description="Redirects followed")] = 5
    download_allow_http: Annotated[bool, Meta(description="Allow http:// beside https://")] = False
    download_allowed_hosts: Annotated[
        tuple[str, ...],
        Meta(description="Hosts to download from, separated by commas; *.example.com allows subdomains; empty: any"),
    ] = ()
    download_allowed_networks: Annotated[
        tuple[str, ...],
        Meta(description="Private networks (CIDR) that may be connected to all the same, separated by commas"),
    ] = ()

    storage_mode: Annotated[
        Literal["s3", "presigned"], Meta(description="s3: the minio client; presigned: PUT to a CDN address")
    ] = "s3"
    s3_endpoint: Annotated[HttpUrl, Meta(description="S3 server, e.g. https://s3.eu-central-1.amazonaws.com")] = (
        "http://127.0.0.1:9000"
    )
    s3_access_key: Annotated[str, Meta(description="S3 access key")] = ""
    s3_secret_key: Annotated[Secret, Meta(description="S3 secret key")] = Secret("")
    s3_region: Annotated[Text, Meta(description="S3 region")] = "us-east-1"
    s3_bucket: Annotated[Text, Meta(description="Bucket of the previews, created if missing")] = "attachment-previews"
    s3_public_base_url: Annotated[
        HttpUrl,
        Meta(description="Base of public addresses; empty: presigned GET that lives as long as the preview"),
    ] = ""
    s3_public_endpoint: Annotated[
        HttpUrl,
        Meta(description="S3 server as readers of the links reach it, for presigned GET; empty: S3_ENDPOINT"),
    ] = ""
    s3_timeout_seconds: Annotated[PositiveSeconds, Meta(description="Deadline of one S3 call, seconds")] = 10.0
    cdn_presigned_url_template: Annotated[
        str,
        Meta(description="Presigned PUT address with {key}; the public one is the part before ?"),
    ] = ""
    cdn_acl: Annotated[
        str, Meta(description="x-amz-acl header of the presigned PUT, e.g. public-read; empty: none")
    ] = ""
    object_key_secret: Annotated[
        Secret,
        Meta(
            description="Secret of the deployment from which object keys are made; at least 16 characters",
            extra=REQUIRED,
        ),
    ] = Secret("")
    preview_ttl_seconds: Annotated[
        float,
        Meta(
            gt=0,
            le=604_800 * 52,
            description="How long a preview lives, seconds (presigned GET: 604800 at most)",
        ),
    ] = 604_800.0

    genesys_post_mode: Annotated[
        Literal["communication", "agentless", "attributes", "tutorial"],
        Meta(description="How the link is posted"),
    ] = "communication"
    genesys_message_template: Annotated[
        Text,
        Meta(description="Text of the message; {url}, {file_name}, {format}, {size_bytes} are filled in"),
    ] = "Preview generated: {url}"
    genesys_uncertain_post: Annotated[
        Literal["park", "repeat"],
        Meta(
            description="What happens to a link that may have been posted where the conversation cannot tell: "
            "park it as a dead letter for an operator, or repeat it and perhaps say it twice"
        ),
    ] = "park"
    genesys_agentless_from_address: Annotated[
        str, Meta(description="fromAddress for GENESYS_POST_MODE=agentless and tutorial")
    ] = ""
    link_concurrency: Annotated[Positive, Meta(description="Posts in flight in one worker")] = 8

    retry_max_attempts: Annotated[int, Meta(ge=1, le=100, description="Attempts before a dead letter")] = 60
    retry_max_age_seconds: Annotated[
        PositiveSeconds, Meta(description="How long after its first failure a record is tried again, seconds")
    ] = 14_400.0
    retry_source_max_attempts: Annotated[
        int, Meta(ge=1, le=100, description="The same as RETRY_MAX_ATTEMPTS where the file's own host fails")
    ] = 15
    retry_source_max_age_seconds: Annotated[
        PositiveSeconds, Meta(description="The same as RETRY_MAX_AGE_SECONDS where the file's own host fails")
    ] = 3600.0
    retry_base_seconds: Annotated[
        PositiveSeconds, Meta(description="Delay after the first failure, at most, seconds")
    ] = 2.0
    retry_cap_seconds: Annotated[PositiveSeconds, Meta(description="Longest delay, seconds")] = 300.0
    guard_share: Annotated[
        float,
        Meta(
            ge=0,
            le=1,
            description="Share of conversations failing for reasons that are ours at which the worker stops; 0: never",
        ),
    ] = 0.5
    guard_window_seconds: Annotated[PositiveSeconds, Meta(description="How far back that share looks, seconds")] = 300.0
    guard_least_conversations: Annotated[
        Positive, Meta(description="Failed conversations before that share means anything")
    ] = 20
    timer_interval_seconds: Annotated[PositiveSeconds, Meta(description="How often due rows are looked for")] = 0.5

    @property
    def event_lifetime_seconds(self) -> float:
        """How long what is known of an event is kept: its records can come again, or its preview lives."""
        return max(self.preview_ttl_seconds, self.topic_retention_hours * LATEST_DELETION * SECONDS_PER_HOUR)

    @property
    def erased_seconds(self) -> float:
        """How long an erasure is remembered: until a dead letter that is replayed at its end has come through."""
        return self.event_lifetime_seconds + self.dead_letter_retention_hours * LATEST_DELETION * SECONDS_PER_HOUR

    def __post_init__(self) -> None:
        super().__post_init__()
        self._require_timings()
        self.require_genesys_client()
        require(
            len(self.object_key_secret.reveal()) >= MIN_SECRET_CHARACTERS,
            "OBJECT_KEY_SECRET",
            "***" if self.object_key_secret else "",
            f"at least {MIN_SECRET_CHARACTERS} random characters, kept for the life of the deployment",
        )
        require_placeholders(
            "GENESYS_MESSAGE_TEMPLATE",
            self.genesys_message_template,
            {"url", "file_name", "format", "size_bytes"},
            needed="url",
        )
        if self.genesys_post_mode in {"agentless", "tutorial"}:
            allowed = f"the address to post from, needed with GENESYS_POST_MODE={self.genesys_post_mode}"
            require(bool(self.genesys_agentless_from_address), "GENESYS_AGENTLESS_FROM_ADDRESS", "", allowed)
        for network in self.download_allowed_networks:
            _require_network("DOWNLOAD_ALLOWED_NETWORKS", network)
        if self.storage_mode == "presigned":
            require_placeholders("CDN_PRESIGNED_URL_TEMPLATE", self.cdn_presigned_url_template, {"key"}, needed="key")
        elif not self.s3_public_base_url:
            require(
                self.preview_ttl_seconds <= MAX_PRESIGNED_SECONDS,
                "PREVIEW_TTL_SECONDS",
                f"{self.preview_ttl_seconds:.12g}",
                f"at most {MAX_PRESIGNED_SECONDS} with presigned GET; S3_PUBLIC_BASE_URL lifts it",
            )

    def _require_timings(self) -> None:
        session_seconds = self.worker_session_timeout_seconds
        require(
            self.worker_heartbeat_seconds * 3 <= session_seconds,
            "WORKER_HEARTBEAT_SECONDS",
            f"{self.worker_heartbeat_seconds:g}",
            f"at most a third of WORKER_SESSION_TIMEOUT_SECONDS, which is {session_seconds:g}",
        )
        require(
            self.retry_base_seconds <= self.retry_cap_seconds,
            "RETRY_BASE_SECONDS",
            f"{self.retry_base_seconds:g}",
            f"at most RETRY_CAP_SECONDS, which is {self.retry_cap_seconds:g}",
        )


def _require_network(variable: str, text: str) -> None:
    try:
        ip_network(text)
    except ValueError as error:
        raise wrong(variable, text, f"networks in CIDR form, e.g. 10.0.0.0/8: {error}") from error
