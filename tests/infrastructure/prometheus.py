"""A Prometheus of a test's own: scrapes every second, on loopback, and answers queries over its HTTP API."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping, Sequence
from http.client import HTTPConnection, HTTPException
from pathlib import Path
from typing import Any
from urllib.parse import urlencode, urlsplit

import yaml

from tests.infrastructure.local import LocalServer
from tests.infrastructure.ports import free_ports
from tests.infrastructure.process import ServerProcess

SCRAPE_S = 1
DEADLINE_S = 10.0
_DURATION = re.compile(r"(\d+)([smhdw])")
_SECONDS = {"s": 1, "m": 60, "h": 3600, "d": 86400, "w": 604800}
_RANGE = re.compile(r"\[(\w+)\]")
_OFFSET = re.compile(r"\boffset (\w+)")
_SHORTEST_RANGE_S = 4 * SCRAPE_S  # a rate needs two samples in it


class QueryRefused(Exception):
    """Prometheus answered a query with an error; the text is its own."""


class Prometheus(LocalServer):
    """Scrapes the admin ports that `targets` names by job, and evaluates the rule files every second.

    `faster` divides every `for`, range and offset of the rules: an alert of ten minutes fires after ten seconds at 60.
    """

    def __init__(
        self,
        program: Path,
        folder: Path,
        targets: Mapping[str, Sequence[str]],
        *,
        rule_files: Sequence[Path] = (),
        faster: float = 1,
    ) -> None:
        super().__init__(folder)
        [self._port] = free_ports(1)
        self._targets = {job: [urlsplit(url).netloc for url in urls] for job, urls in targets.items()}
        self._rules = {file.name: sped_up(yaml.safe_load(file.read_text()), faster) for file in rule_files}
        self._command = [str(program), f"--config.file={folder / 'prometheus.yaml'}"]
        self._command += [f"--storage.tsdb.path={folder / 'data'}", f"--web.listen-address=127.0.0.1:{self._port}"]

    def value(self, expression: str) -> float | None:
        """The sum of the expression's series now; None where there is none. Raises QueryRefused."""
        series = self._api("query", query=expression)["result"]
        return sum(float(each["value"][1]) for each in series) if series else None

    def history(self, expression: str, start: float, end: float) -> list[list[float]]:
        """The samples of each series between two Unix times, one for each second. Raises QueryRefused."""
        found = self._api("query_range", query=expression, start=start, end=end, step=SCRAPE_S)["result"]
        return [[float(value) for _, value in series["values"]] for series in found]

    def metric_names(self) -> set[str]:
        """The names of all series."""
        return set(self._api("label/__name__/values"))

    def described(self) -> set[str]:
        """The names that the targets' TYPE and HELP lines have: a histogram's without _bucket and so on."""
        return set(self._api("metadata"))

    def rules(self) -> list[dict[str, Any]]:
        """Each rule as Prometheus evaluates it: name, query, health, lastError, state …"""
        return [rule for group in self._api("rules")["groups"] for rule in group["rules"]]

    def _prepare(self) -> list[str]:
        for name, rules in self._rules.items():
            (self.folder / name).write_text(yaml.safe_dump(rules))
        jobs = [{"job_name": job, "static_configs": [{"targets": urls}]} for job, urls in self._targets.items()]
        every = f"{SCRAPE_S}s"
        configuration = {
            "global": {"scrape_interval": every, "scrape_timeout": every, "evaluation_interval": every},
            "rule_files": list(self._rules),
            "scrape_configs": jobs,
        }
        (self.folder / "prometheus.yaml").write_text(yaml.safe_dump(configuration))
        return self._command

    def _serves(self, process: ServerProcess) -> bool:  # noqa: ARG002 - the port tells
        try:
            return self._get("/-/ready")[0] == 200
        except (OSError, HTTPException):
            return False

    def _api(self, path: str, **parameters: Any) -> Any:
        _, body = self._get(f"/api/v1/{path}?{urlencode(parameters)}")
        answer = json.loads(body)
        if answer["status"] != "success":
            raise QueryRefused(answer["error"])
        return answer["data"]

    def _get(self, target: str) -> tuple[int, bytes]:
        connection = HTTPConnection("127.0.0.1", self._port, timeout=DEADLINE_S)
        try:
            connection.request("GET", target)
            response = connection.getresponse()
            return response.status, response.read()
        finally:
            connection.close()


def sped_up(rules: dict[str, Any], faster: float) -> dict[str, Any]:
    """These rules with shorter times; the file's own intervals are left out, so that the server's holds."""

    def shorter(text: str, least_s: int) -> str:
        seconds = sum(int(number) * _SECONDS[unit] for number, unit in _DURATION.findall(text))
        return f"{max(round(seconds / faster), least_s)}s"

    def expression(text: str) -> str:
        ranged = _RANGE.sub(lambda found: f"[{shorter(found[1], _SHORTEST_RANGE_S)}]", text)
        return _OFFSET.sub(lambda found: f"offset {shorter(found[1], 1)}", ranged)

    def rule(given: dict[str, Any]) -> dict[str, Any]:
        times = {key: shorter(given[key], 0) for key in ("for", "keep_firing_for") if key in given}
        return given | times | {"expr": expression(given["expr"])}

    return {"groups": [{"name": group["name"], "rules": list(map(rule, group["rules"]))} for group in rules["groups"]]}
