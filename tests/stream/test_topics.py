from operator import add

import pytest
from confluent_kafka import Producer
from msgspec.structs import replace

from stream.kafka.clients import checked, client_config, producer_config, reader_config
from stream.settings import KafkaSettings, Secret, WrongSettingError
from stream.topics import LATEST_DELETION, MS_PER_HOUR, Topics, changelog, specs

SETTINGS = KafkaSettings(topic_prefix="prod.", worker_group="previews", topic_partitions=12)


def test_topics_are_named_after_the_prefix_and_changelogs_as_faust_names_them() -> None:
    assert Topics.of(SETTINGS) == Topics(
        attachments="prod.attachments",
        previews="prod.previews",
        lifecycle="prod.lifecycle",
        results="prod.results",
        dead_letters="prod.dead-letters",
        links_changelog="prod.previews-links-changelog",
        due_changelog="prod.previews-due-changelog",
        conversations_changelog="prod.previews-conversations-changelog",
    )


def test_deployments_of_different_prefixes_share_neither_group_nor_tables() -> None:
    other = replace(SETTINGS, topic_prefix="test.")
    assert other.group != SETTINGS.group
    assert not {spec.name for spec in specs(other)} & {spec.name for spec in specs(SETTINGS)}


def test_faust_names_changelogs_so() -> None:
    faust = pytest.importorskip("faust")
    app = faust.App("previews-prod", broker="kafka://127.0.0.1:1")
    assert app.Table("due").changelog_topic.get_topic_name() == changelog("previews-prod", "due")


def test_all_topics_have_one_partition_count_and_the_copies_asked_for() -> None:
    wanted = specs(replace(SETTINGS, topic_replication_factor=3, topic_min_insync_replicas=2))
    assert len(wanted) == 8
    assert {spec.partitions for spec in wanted} == {12}
    assert {spec.replication_factor for spec in wanted} == {3}
    assert {spec.config["min.insync.replicas"] for spec in wanted} == {"2"}


def test_tables_are_compacted_and_all_else_is_deleted_in_time() -> None:
    wanted = {spec.name: spec.config for spec in specs(replace(SETTINGS, topic_retention_hours=48))}
    compacted = {name for name, config in wanted.items() if config["cleanup.policy"] == "compact"}
    assert compacted == {f"prod.previews-{table}-changelog" for table in ("links", "due", "conversations")}
    assert {config.get("retention.ms") for name, config in wanted.items() if name in compacted} == {None}
    assert wanted["prod.attachments"]["retention.ms"] == str(48 * 3_600_000)
    assert wanted["prod.dead-letters"]["retention.ms"] == str(720 * 3_600_000)


def test_records_are_gone_before_what_is_known_of_their_events() -> None:
    hours = 1
    wanted = {spec.name: spec.config for spec in specs(replace(SETTINGS, topic_retention_hours=hours))}
    kept_ms = [int(wanted[f"prod.{name}"]["retention.ms"]) for name in ("attachments", "previews", "lifecycle")]
    segment_ms = [int(wanted[f"prod.{name}"]["segment.ms"]) for name in ("attachments", "previews", "lifecycle")]
    kafkas_pace_ms = (5 + 1) * 60_000  # log.retention.check.interval.ms and file.delete.delay.ms, as they come
    latest_ms = max(map(add, kept_ms, segment_ms)) + kafkas_pace_ms
    assert latest_ms < hours * LATEST_DELETION * MS_PER_HOUR


def test_records_get_the_brokers_time_so_that_no_producers_clock_decides_on_their_end() -> None:
    deleted = [spec.config for spec in specs(SETTINGS) if "delete" in spec.config["cleanup.policy"]]
    assert len(deleted) == 5
    assert {config["message.timestamp.type"] for config in deleted} == {"LogAppendTime"}


def test_a_dead_letter_fits_though_it_holds_the_largest_record_in_base64() -> None:
    wanted = {spec.name: int(spec.config["max.message.bytes"]) for spec in specs(SETTINGS)}
    assert wanted["prod.dead-letters"] > wanted["prod.attachments"] * 4 / 3
    assert int(producer_config(SETTINGS, client_id="x")["message.max.bytes"]) >= wanted["prod.dead-letters"]


def test_producers_are_idempotent_and_partition_as_faust_does() -> None:
    config = producer_config(SETTINGS, client_id="bridge")
    assert (config["acks"], config["enable.idempotence"], config["partitioner"]) == ("all", True, "murmur2_random")


def test_readers_commit_nothing() -> None:
    assert reader_config(SETTINGS, client_id="x")["enable.auto.commit"] is False


def test_credentials_reach_the_clients_only_when_set() -> None:
    plain = client_config(SETTINGS, client_id="x")
    assert not [name for name in plain if name.startswith(("sasl", "ssl"))]
    secured = replace(
        SETTINGS,
        kafka_security_protocol="SASL_SSL",
        kafka_sasl_mechanism="PLAIN",
        kafka_sasl_username="user",
        kafka_sasl_password=Secret("password"),
        kafka_ssl_ca_file=__file__,
    )
    assert client_config(secured, client_id="x") == {
        "bootstrap.servers": "127.0.0.1:9092",
        "client.id": "x",
        "security.protocol": "SASL_SSL",
        "sasl.mechanism": "PLAIN",
        "sasl.username": "user",
        "sasl.password": "password",
        "ssl.ca.location": __file__,
    }


def test_tokens_and_certificates_reach_the_clients_only_when_set() -> None:
    secured = replace(
        SETTINGS,
        kafka_security_protocol="SASL_SSL",
        kafka_sasl_mechanism="OAUTHBEARER",
        kafka_oauth_token_url="https://login.example.com/token",
        kafka_oauth_client_id="client",
        kafka_oauth_client_secret=Secret("secret"),
        kafka_oauth_extensions=("logicalCluster=lkc-1", "identityPoolId=pool-1"),
        kafka_ssl_certificate_file=__file__,
        kafka_ssl_key_file=__file__,
        kafka_librdkafka_options=Secret("socket.keepalive.enable=true"),
    )
    assert client_config(secured, client_id="x") == {
        "bootstrap.servers": "127.0.0.1:9092",
        "client.id": "x",
        "security.protocol": "SASL_SSL",
        "sasl.mechanism": "OAUTHBEARER",
        "sasl.oauthbearer.method": "oidc",
        "sasl.oauthbearer.token.endpoint.url": "https://login.example.com/token",
        "sasl.oauthbearer.client.id": "client",
        "sasl.oauthbearer.client.secret": "secret",
        "sasl.oauthbearer.extensions": "logicalCluster=lkc-1,identityPoolId=pool-1",
        "ssl.certificate.location": __file__,
        "ssl.key.location": __file__,
        "socket.keepalive.enable": "true",
    }


@pytest.mark.parametrize("options", ["no.such.setting=1", "socket.timeout.ms=soon"])
def test_what_librdkafka_refuses_is_one_line(options: str) -> None:
    config = client_config(replace(SETTINGS, kafka_librdkafka_options=Secret(options)), client_id="x")
    with pytest.raises(WrongSettingError, match=r"^KAFKA_\* settings are wrong: .*" + options.partition("=")[0]):
        checked(lambda: Producer(config))
