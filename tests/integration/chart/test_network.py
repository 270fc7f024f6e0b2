"""Who may connect to the chart's pods, what they may connect to, and how requests find their service."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from tests.product.chart import (
    of_kind,
    pods,
    rendered,
    values_of,
    written,
)


def test_the_admin_port_is_for_prometheus_alone_and_the_public_one_for_who_is_named(renderings: dict[str, str]) -> None:
    def sources(case: str, component: str, port: str) -> list[Any]:
        (policy,) = [
            each
            for each in of_kind(renderings[case], "NetworkPolicy")
            if each["metadata"]["name"].endswith(f"-{component}")
        ]
        rules = [rule for rule in policy["spec"].get("ingress", ()) if {"port": port} in rule["ports"]]
        return [peer for rule in rules for peer in rule.get("from", ["anybody"])]

    monitoring = {"namespaceSelector": {"matchLabels": {"kubernetes.io/metadata.name": "monitoring"}}}
    ingress = {"namespaceSelector": {"matchLabels": {"kubernetes.io/metadata.name": "ingress"}}}
    for component in ("gateway", "consumer", "summary"):
        assert sources("minimal", component, "admin") == [monitoring]
        assert sources("mtls", component, "admin") == []
    assert sources("minimal", "gateway", "http") == ["anybody"]
    assert sources("minimal", "consumer", "http") == []
    named = sources("everything", "gateway", "http")
    assert named[0] == ingress
    own = [peer["podSelector"]["matchLabels"]["app.kubernetes.io/component"] for peer in named[1:]]
    assert own == ["proxy", "test"]


def test_a_workload_may_connect_to_what_it_needs(renderings: dict[str, str]) -> None:
    def ports(component: str) -> set[Any]:
        (policy,) = [
            each
            for each in of_kind(renderings["everything"], "NetworkPolicy")
            if each["metadata"]["name"].endswith(f"-{component}")
        ]
        return {port["port"] for rule in policy["spec"]["egress"] for port in rule["ports"]}

    assert ports("gateway") == {53, 9093, 443, 3000}  # of the URLs of keys and of sessions
    assert ports("consumer") == {53, 9093, 8443}
    assert ports("summary") == {53, 8443, 443, 3000}
    assert ports("migrate") == {53, 9093, 8443}
    assert ports("proxy") == ports("test") == {53, "http"}


def test_every_pod_is_limited_to_its_own_connections_and_pods_that_meet_allow_both_ends(
    renderings: dict[str, str],
) -> None:
    text = renderings["everything"]
    policies = {
        each["spec"]["podSelector"]["matchLabels"]["app.kubernetes.io/component"]: each["spec"]
        for each in of_kind(text, "NetworkPolicy")
    }
    assert {pod.component for pod in pods(text)} == policies.keys()
    assert all(set(policy["policyTypes"]) == {"Ingress", "Egress"} for policy in policies.values())

    def own(rules: list[Any], side: str) -> set[str]:
        peers = [peer for rule in rules for peer in rule.get(side, ()) if {"port": "http"} in rule["ports"]]
        selected = [peer["podSelector"]["matchLabels"] for peer in peers if "podSelector" in peer]
        return {each["app.kubernetes.io/component"] for each in selected}

    leaving = {(name, to) for name, policy in policies.items() for to in own(policy["egress"], "to")}
    entering = {(by, name) for name, policy in policies.items() for by in own(policy.get("ingress", []), "from")}
    wanted = {("proxy", "gateway"), ("proxy", "summary"), *(("test", to) for to in ("gateway", "summary", "proxy"))}
    assert leaving == entering == wanted


def test_names_are_asked_for_at_the_ports_of_the_dns_servers(helm: Path, tmp_path: Path) -> None:
    egress = {"enabled": True, "dns": {"ports": [5353]}}
    text = rendered(helm, values_of("minimal"), written(tmp_path, {"networkPolicy": {"egress": egress}}))
    asked = [each["spec"]["egress"][0]["ports"] for each in of_kind(text, "NetworkPolicy")]
    assert asked
    for ports in asked:
        assert ports == [{"port": 5353, "protocol": protocol} for protocol in ("UDP", "TCP")]


@pytest.mark.parametrize(
    ("url", "port"),
    [
        ("http://[fd00::1]/me?to=http://a:1", 80),
        ("https://[fd00::1]:8443", 8443),
        ("https://app.example#:1", 443),
    ],
)
def test_the_port_of_a_url_is_found(helm: Path, tmp_path: Path, url: str, port: int) -> None:
    values = {"auth": {"session": {"url": url}}, "networkPolicy": {"egress": {"enabled": True}}}
    text = rendered(helm, values_of("minimal"), written(tmp_path, values))
    (summary,) = [each for each in of_kind(text, "NetworkPolicy") if each["metadata"]["name"].endswith("-summary")]
    assert summary["spec"]["egress"][-1] == {"ports": [{"port": port}]}


@pytest.mark.parametrize(
    ("method", "path", "service"),
    [
        ("POST", "/api/telemetry", "gateway"),
        ("POST", "/api/telemetry/ingest", "gateway"),
        ("POST", "/api/telemetry/batch", "gateway"),
        ("DELETE", "/api/telemetry", "gateway"),
        ("OPTIONS", "/api/telemetry/summary", "gateway"),
        ("GET", "/api/telemetry", "summary"),
        ("HEAD", "/api/telemetry", "summary"),
        ("GET", "/api/telemetry/series", "summary"),
        ("PUT", "/api/telemetry", "summary"),
        ("GET", "/api/auth/me", "summary"),
        ("GET", "/openapi.json", "summary"),
        ("GET", "/api/telemetryx", None),
        ("GET", "/metrics", None),
    ],
)
def test_a_route_tells_methods_apart(renderings: dict[str, str], method: str, path: str, service: str | None) -> None:
    (route,) = of_kind(renderings["everything"], "HTTPRoute")
    matches = []
    for rule in route["spec"]["rules"]:
        (backend,) = rule["backendRefs"]
        for match in rule["matches"]:
            kind, prefix = match["path"]["type"], match["path"]["value"]
            fits = path == prefix or (kind == "PathPrefix" and path.startswith(f"{prefix}/"))
            if fits and match.get("method", method) == method:
                matches.append((kind == "Exact", len(prefix), "method" in match, backend["name"], backend["port"]))
    # Gateway API: the more specific path goes first, then a match with a method.
    found = max(matches)[3:] if matches else None
    services = {
        each["metadata"]["name"]: each["spec"]["ports"][0]["port"]
        for each in of_kind(renderings["everything"], "Service")
    }
    assert found == (None if service is None else (f"counts-{service}", services[f"counts-{service}"]))
