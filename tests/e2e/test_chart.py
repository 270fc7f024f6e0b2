"""The chart's pods as real processes: their arguments, settings, mounted files and probes, on a secured broker and a
server with passwords; behind them the chart's proxy."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any
from uuid import uuid4

import aiohttp
import pytest

from siddes_telemetry.backends.clickhouse.server_address import parse_server_url
from tests.infrastructure.kafka_acls import allow
from tests.infrastructure.names import fresh
from tests.infrastructure.ports import free_ports
from tests.infrastructure.secured_kafka import SecuredKafka
from tests.product.chart import FILES, RenderedPod, of_kind, ours, rendered
from tests.product.client import Client, bearer
from tests.product.deployments import JWT_SECRET, Deployment
from tests.product.documented_acls import documented_acls
from tests.product.process import ServiceProcess, run
from tests.product.reverse_proxy import proxied

pytestmark = [pytest.mark.servers, pytest.mark.timeout(300)]

SERVICES = ("gateway", "consumer", "summary")
NOBODY = "127.0.0.1:1"
Contents = Mapping[tuple[str, str], bytes]  # of the Secrets and ConfigMaps that the values name, by name and key


async def test_the_pods_of_the_chart_count(
    helm: Path, nginx: Path, secured_kafka: SecuredKafka, clickhouse_database_url: str, tmp_path: Path
) -> None:
    address = parse_server_url(clickhouse_database_url)
    assert address.user
    assert address.password
    values = chart_values(secured_kafka, address.hosts[0].port, address.user, address.database)
    await allow(secured_kafka, documented_acls(values["kafka"]["topic"], values["kafka"]["group"]))
    contents: Contents = {
        ("kafka-ca", "ca.crt"): secured_kafka.authority.pem,
        **{("kafka-users", user): secret.encode() for user, secret in secured_kafka.passwords.items()},
        ("clickhouse", "password"): address.password.encode(),
        ("app-jwt", "jwt-secret"): JWT_SECRET.encode(),
    }
    (tmp_path / "values.yaml").write_text(json.dumps(values))
    text = await asyncio.to_thread(rendered, helm, tmp_path / "values.yaml")
    pods = ours(text)
    settings = {name: mounted(pod, contents, tmp_path / name) for name, pod in pods.items()}
    deployment = Deployment({}, tmp_path)
    try:
        done = await asyncio.to_thread(run, *pods["migrate"].container["args"], settings=settings["migrate"])
        assert done.returncode == 0, done.stderr
        for name in SERVICES:
            started(deployment, name, pods[name], settings[name])
            away = {key: NOBODY for key in ("KAFKA",) if key in settings[name]} | {
                key: f"http://{NOBODY}/{address.database}" for key in ("CLICKHOUSE",) if key in settings[name]
            }
            started(deployment, f"{name}-alone", pods[name], settings[name] | away)
        for name in SERVICES:
            await asyncio.to_thread(deployment.processes[name].wait_ready)
        async with aiohttp.ClientSession() as session:
            for name in SERVICES:
                assert await probed(session, deployment.processes[name], pods[name]) == [200, 200, 200]
                assert await probed(session, deployment.processes[f"{name}-alone"], pods[name]) == [200, 200, 503]
            client = Client(session, deployment)
            assert await client.post_batch("alice", uuid4(), [{"event": "suggestion_shown", "count": 3}]) == 200
            await client.counts_become("alice", {"suggestion_shown": 3})
            await behind_the_proxy(session, nginx, text, deployment)
        for name in SERVICES:
            for process in (deployment.processes[name], deployment.processes[f"{name}-alone"]):
                assert await asyncio.to_thread(process.stop) == 0, process.said()
                assert "is no setting" not in process.said()
                assert not [secret for secret in contents.values() if secret.decode() in process.said()]
    finally:
        deployment.end()


def chart_values(broker: SecuredKafka, clickhouse_port: int, user: str, database: str) -> dict[str, Any]:
    """Values as an operator writes them: a Kafka user for each service, its password a key of one Secret."""
    users = {name: {"kafka": {"user": name, "password": {"key": name}}} for name in ("gateway", "consumer", "migrate")}
    return {
        "image": {"repository": "registry.example/siddes-telemetry"},
        "kafka": {
            "brokers": [broker.bootstrap("PASSWORDS")],
            "topic": fresh("counts"),
            "group": fresh("group"),
            "partitions": 4,
            "replication": 1,
            "security": "sasl_ssl",
            "ca": {"configMapName": "kafka-ca"},
            "sasl": {"mechanism": "scram-sha-256"},
            "login": {"password": {"secretName": "kafka-users"}},
        },
        "clickhouse": {
            "hosts": [f"127.0.0.1:{clickhouse_port}"],
            "database": database,
            "login": {"user": user, "password": {"secretName": "clickhouse"}},
        },
        "auth": {"jwt": {"secret": {"secretName": "app-jwt"}}},
        "proxy": {"enabled": True},
        "gateway": {"drainDelaySeconds": 1, **users["gateway"]},
        "consumer": users["consumer"],
        "summary": {"drainDelaySeconds": 1},
        "migrate": users["migrate"],
    }


def mounted(pod: RenderedPod, contents: Contents, folder: Path) -> dict[str, str]:
    """The pod's settings. Its files are in `folder` as a kubelet leaves them: links into a directory of its own."""
    (folder / "..2026").mkdir(parents=True)
    (folder / "..data").symlink_to("..2026")
    for file, (_, name, key) in pod.files.items():
        (folder / "..data" / file).write_bytes(contents[name, key])
        (folder / file).symlink_to(f"..data/{file}")
    return {name: value.replace(FILES, str(folder)) for name, value in pod.settings.items()}


def started(deployment: Deployment, name: str, pod: RenderedPod, settings: Mapping[str, str]) -> ServiceProcess:
    """The pod's container, on other ports: those that it names are taken where many tests run."""
    port, admin = free_ports(2)
    ports = {"--port=8080": port, "--port=8081": port, "--admin-port=9090": admin}
    arguments = [f"{each.partition('=')[0]}={ports[each]}" if each in ports else each for each in pod.container["args"]]
    process = deployment.start(name, *arguments, settings=settings)
    process.url, process.admin = f"http://127.0.0.1:{port}", f"http://127.0.0.1:{admin}"
    return process


async def probed(session: aiohttp.ClientSession, process: ServiceProcess, pod: RenderedPod) -> list[int]:
    """What the startup, the liveness and the readiness probe are answered."""
    statuses = []
    for kind in ("startup", "liveness", "readiness"):
        probe = pod.container[f"{kind}Probe"]["httpGet"]
        assert probe["port"] == "admin"
        async with session.get(process.admin + probe["path"]) as answer:
            statuses.append(answer.status)
    return statuses


async def behind_the_proxy(session: aiohttp.ClientSession, nginx: Path, text: str, deployment: Deployment) -> None:
    """POST and DELETE reach the gateway, GET the summary, under one path."""
    (configuration,) = [each["data"]["nginx.conf"] for each in of_kind(text, "ConfigMap")]
    ports = {name: int(deployment.processes[name].url.rsplit(":", 1)[1]) for name in ("gateway", "summary")}
    services = {each["metadata"]["name"] for each in of_kind(text, "Service")}
    names = ("counts-siddes-telemetry-gateway", "counts-siddes-telemetry-summary")
    assert services >= set(names)
    with proxied(nginx, deployment.folder, **ports, configuration=configuration, names=names) as proxy:
        allowed = {}
        for method in ("GET", "POST", "DELETE", "PUT"):
            body = {"event": "suggestion_shown"} if method == "POST" else None
            target = f"{proxy.url}/api/telemetry"
            async with session.request(method, target, json=body, headers=bearer("bob")) as answer:
                allowed[method] = (answer.status, answer.headers.get("Allow"))
    assert allowed == {"GET": (200, None), "POST": (200, None), "DELETE": (405, "POST"), "PUT": (405, "GET, HEAD")}
