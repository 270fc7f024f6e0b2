"""deploy/compose.cluster.yaml and the files of deploy/cluster/: their names, ports and numbers agree."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any
from xml.etree import ElementTree as ET

import pytest
import yaml

from tests.product.deploy_files import DEPLOY
from tests.product.process import run

Service = dict[str, Any]
FILE = DEPLOY / "compose.cluster.yaml"
GOLDEN = Path(__file__).parents[2] / "golden" / "ddl_cluster.sql"
PREFIX = "SIDDES_TELEMETRY_"


def resolved(name: str, service: Service) -> Service:
    """With what it extends: settings are merged, everything else replaces."""
    if (extended := service.pop("extends", None)) is None:
        return service
    base = yaml.safe_load((DEPLOY / extended["file"]).read_text())["services"][extended["service"]]
    assert extended["service"] == name
    return {**base, **service, "environment": {**base.get("environment", {}), **service.get("environment", {})}}


SERVICES = {name: resolved(name, each) for name, each in yaml.safe_load(FILE.read_text())["services"].items()}
BROKERS, KEEPERS, SERVERS = (
    {name: each for name, each in SERVICES.items() if re.fullmatch(rf"{kind}(-\d)+", name)}
    for kind in ("kafka", "keeper", "clickhouse")
)
CONFIG = ET.parse(DEPLOY / "cluster" / "clickhouse.xml").getroot()
KEEPER_CONFIG = ET.parse(DEPLOY / "cluster" / "keeper.xml").getroot()


def text(element: ET.Element, path: str) -> str:
    found = element.findtext(path)
    assert found, path
    return found


def settings(name: str) -> dict[str, str]:
    """The product's settings of a service, without their prefix."""
    found = SERVICES[name].get("environment", {})
    return {key.removeprefix(PREFIX): value for key, value in found.items() if key.startswith(PREFIX)}


def files_of(service: Service) -> dict[str, Path]:
    """Files that are mounted, by their places in the container."""
    pairs = [volume.split(":") for volume in service.get("volumes", []) if volume.startswith("./")]
    return {target: DEPLOY / source for source, target, _ in pairs}


def test_it_has_three_brokers_three_keepers_and_two_shards_of_two_servers() -> None:
    assert (len(BROKERS), len(KEEPERS), len(SERVERS)) == (3, 3, 4)
    for name in ("gateway", "consumer", "summary"):
        assert SERVICES[name]["deploy"]["replicas"] == 2


@pytest.mark.parametrize("name", SERVICES)
def test_every_container_is_confined_and_keeps_its_data_for_itself(name: str) -> None:
    service = SERVICES[name]
    assert service["cap_drop"] == ["ALL"]
    assert "cap_add" not in service
    assert service["security_opt"] == ["no-new-privileges:true"]
    assert not service.get("ports") or name == "proxy"
    volumes = [volume.split(":")[0] for volume in service.get("volumes", []) if not volume.startswith("./")]
    assert volumes == ([name] if name in {**BROKERS, **KEEPERS, **SERVERS} else [])
    assert all(file.is_file() for file in files_of(service).values())


def test_no_secret_has_a_default() -> None:
    used = re.findall(r"\$\{(\w+)([^}]*)\}", FILE.read_text())
    secrets = {rest for name, rest in used if re.search("PASSWORD|SECRET|KEY|TOKEN|SHA256", name)}
    assert secrets == {":?run deploy/make-secrets"}


def test_the_brokers_are_one_quorum_that_may_lose_any_of_them() -> None:
    voters = {f"{each['environment']['KAFKA_NODE_ID']}@{name}:9093" for name, each in BROKERS.items()}
    assert len({each["environment"]["KAFKA_NODE_ID"] for each in BROKERS.values()}) == 3
    assert len({each["environment"]["CLUSTER_ID"] for each in BROKERS.values()}) == 1
    for name, broker in BROKERS.items():
        of_broker = broker["environment"]
        assert set(of_broker["KAFKA_CONTROLLER_QUORUM_VOTERS"].split(",")) == voters
        assert of_broker["KAFKA_ADVERTISED_LISTENERS"] == f"PLAINTEXT://{name}:9092"
        assert f"{name}:{of_broker['KAFKA_LOG_DIRS']}" in broker["volumes"]
        assert of_broker["KAFKA_MIN_INSYNC_REPLICAS"] == 2
        for topics in ("DEFAULT", "OFFSETS_TOPIC", "TRANSACTION_STATE_LOG"):
            assert of_broker[f"KAFKA_{topics}_REPLICATION_FACTOR"] == 3


def test_the_keepers_are_one_quorum_and_the_servers_know_them() -> None:
    raft = {
        text(each, "hostname"): text(each, "id")
        for each in KEEPER_CONFIG.iterfind("keeper_server/raft_configuration/server")
    }
    assert raft == {name: str(each["environment"]["KEEPER_ID"]) for name, each in KEEPERS.items()}
    nodes = {(text(each, "host"), text(each, "port")) for each in CONFIG.iterfind("zookeeper/node")}
    assert nodes == {(name, text(KEEPER_CONFIG, "keeper_server/tcp_port")) for name in KEEPERS}
    for name, keeper in KEEPERS.items():
        folder = keeper["environment"]["CLICKHOUSE_DATA_DIR"]
        assert f"{name}:{folder}" in keeper["volumes"]
        for place in ("log_storage_path", "snapshot_storage_path"):
            assert text(KEEPER_CONFIG, f"keeper_server/{place}").startswith(f"{folder}/")


def test_the_servers_are_where_the_cluster_says_they_are() -> None:
    cluster = settings("migrate")["CLUSTER"]
    (found,) = CONFIG.iterfind("remote_servers/*")
    assert found.tag == cluster
    shards = [[text(each, "host") for each in shard.iterfind("replica")] for shard in found.iterfind("shard")]
    assert all(text(shard, "internal_replication") == "true" for shard in found.iterfind("shard"))
    places = {
        (server["environment"]["SHARD"], server["environment"]["REPLICA"]): name for name, server in SERVERS.items()
    }
    assert shards == [[places[shard, replica] for replica in (1, 2)] for shard in (1, 2)]
    for name, server in SERVERS.items():
        assert server["hostname"] == name  # under which the others fetch its parts
    assert {text(CONFIG, "remote_servers/*/shard/replica/port")} == {"9000"}


def test_what_a_configuration_takes_from_the_environment_is_there() -> None:
    for service in (*KEEPERS.values(), *SERVERS.values()):
        texts = [file.read_text() for file in files_of(service).values()]
        wanted = {name for each in texts for name in re.findall(r'from_env="(\w+)"', each)}
        assert wanted - service["environment"].keys() <= {"HOSTNAME"}  # which the engine sets
        assert wanted


def test_services_know_all_brokers_and_all_servers_and_only_migrate_needs_the_clusters_name() -> None:
    for name in ("gateway", "consumer", "migrate", "operator"):
        assert settings(name)["KAFKA"] == ",".join(f"{broker}:9092" for broker in BROKERS)
    for name in ("consumer", "summary", "migrate", "operator"):
        hosts = ",".join(f"{server}:8123" for server in SERVERS)
        assert settings(name)["CLICKHOUSE"] == f"http://{hosts}/telemetry"
        assert settings(name)["CLICKHOUSE_USER"] == name
    assert [name for name in SERVICES if "CLUSTER" in settings(name)] == ["migrate"]


def test_its_statements_are_those_of_the_golden_file_under_its_names() -> None:
    of_migrate = {name: value for name, value in settings("migrate").items() if not value.startswith("${")}
    printed = run("schema", "ddl", settings=of_migrate)
    assert printed.returncode == 0, printed.stderr
    golden = re.sub(r"(['`/])siddes(['`/])", r"\1telemetry\2", GOLDEN.read_text()).replace("'pair'", "'telemetry'")
    assert printed.stdout.strip() in golden
    assert printed.stdout.count("ON CLUSTER 'telemetry'") > 5
