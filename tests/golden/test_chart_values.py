"""The values of the Helm chart: their schema is closed, agrees with values.yaml, and has a place for every setting."""

from __future__ import annotations

import json
import re
import tomllib
from collections.abc import Iterator, Mapping
from copy import deepcopy
from pathlib import Path
from typing import Any, get_args

import jsonschema_rs
import pytest
import yaml

from siddes_telemetry.cli.settings import ROTATING_SECRETS, SECRETS, Settings
from siddes_telemetry.web.auth.algorithms import HMAC_ALGORITHM, PUBLIC_KEY_ALGORITHMS
from tests.product.chart import CASES, CHART, values_of

Json = dict[str, Any]
SCHEMA: Json = json.loads((CHART / "values.schema.json").read_text())
VALUES: Json = yaml.safe_load((CHART / "values.yaml").read_text())
FREE = {"kubernetesObject", "labels", "texts"}  # as Kubernetes has them, which checks them
# Of embedded mode, and of development on loopback.
NO_SETTINGS_OF_A_CLUSTER = {"data", "debug"}
# A URL with a password in it; the chart has user and password for themselves.
WITHOUT_FILE = {"clickhouse"}


def resolved(schema: Json) -> Json:
    if "allOf" in schema:
        (schema,) = schema["allOf"]
    if "$ref" in schema:
        found: Json = SCHEMA["definitions"][schema["$ref"].rpartition("/")[2]]
        return found
    return schema


def is_free(schema: Json) -> bool:
    return schema.get("$ref", "").rpartition("/")[2] in FREE


def over(defaults: Json, values: Json) -> Json:
    """The defaults with these values, as Helm puts them together."""
    found = {**defaults, **{name: value for name, value in values.items() if value is not None}}
    for name, value in values.items():
        if isinstance(value, dict) and isinstance(defaults.get(name), dict):
            found[name] = over(defaults[name], value)
    return {name: value for name, value in found.items() if values.get(name, value) is not None}


def at(path: tuple[str, ...]) -> Json:
    """The schema of the value with this path."""
    schema = SCHEMA
    for name in path:
        schema = resolved(schema["properties"][name])
    return schema


def places(values: Json, schema: Json, path: tuple[str, ...] = ()) -> Iterator[tuple[str, ...]]:
    """The paths of all objects of values.yaml whose names are the chart's."""
    yield path
    for name, value in values.items():
        inner = schema["properties"][name]
        if isinstance(value, dict) and not is_free(inner) and "properties" in resolved(inner):
            yield from places(value, resolved(inner), (*path, name))


PLACES = list(places(VALUES, SCHEMA))


def test_the_defaults_are_valid() -> None:
    jsonschema_rs.validate(SCHEMA, VALUES)


@pytest.mark.parametrize("case", CASES)
def test_the_values_of_each_case_are_valid(case: str) -> None:
    jsonschema_rs.validate(SCHEMA, over(VALUES, yaml.safe_load(values_of(case).read_text())))


def test_a_misspelt_name_is_refused_wherever_it_stands() -> None:
    validator = jsonschema_rs.validator_for(SCHEMA)
    assert len(PLACES) > 50
    for path in PLACES:
        values = deepcopy(VALUES)
        place = values
        for name in path:
            place = place[name]
        place["misspelt"] = 1
        assert not validator.is_valid(values), ".".join(path)


# And what is within podSecurity and resources.
MAY_BE_NULL = {("kafka", "replication"), ("podSecurity",), ("proxy", "podSecurity")}


def test_a_value_that_null_takes_away_is_missed() -> None:
    """Helm removes the default of a name that is null, such as one under which every line is a comment."""
    validator = jsonschema_rs.validator_for(SCHEMA)
    for path in PLACES:
        if path in MAY_BE_NULL or path[-1:] == ("resources",):
            continue
        values = deepcopy(VALUES)
        place = values
        for name in path:
            place = place[name]
        for name, value in list(place.items()):
            a_key = isinstance(value, str) and name.lower().endswith(
                "key"
            )  # of an object, which may be overridden alone
            if (*path, name) not in MAY_BE_NULL and value != "" and not a_key:
                del place[name]
                assert not validator.is_valid(values), (*path, name)
                place[name] = value
    assert validator.is_valid(VALUES)


def test_every_object_of_the_schema_is_closed_but_those_of_kubernetes() -> None:
    def check(schema: Json, name: str) -> None:
        if schema.get("type") == "object" and name not in {*FREE, "global"}:
            assert "additionalProperties" in schema, name
            assert schema["additionalProperties"] is False or "$ref" in schema["additionalProperties"], name
        for inner_name, inner in schema.get("properties", {}).items():
            check(inner, inner_name)
        if isinstance(items := schema.get("items"), dict):
            check(items, f"{name}[]")

    check(SCHEMA, "")
    for name, definition in SCHEMA["definitions"].items():
        check(definition, name)


def test_the_schema_has_the_names_of_the_values_and_no_others() -> None:
    overrides = {("gateway", "kafka"), ("consumer", "kafka"), ("migrate", "kafka")} | {
        (service, "clickhouse") for service in ("consumer", "summary", "migrate")
    }  # of the logins: empty by default
    for path in PLACES:
        values: Any = VALUES
        for name in path:
            values = values[name]
        names = set(at(path)["properties"]) - ({"enabled", "global"} if not path else set())
        assert names == set(values) or (path in overrides and values == {}), path


def test_every_setting_of_a_cluster_has_a_place_in_the_chart() -> None:
    fields = Settings.model_fields.keys() - NO_SETTINGS_OF_A_CLUSTER - {f"{name}_file" for name in ROTATING_SECRETS}
    as_files = set(SECRETS) - WITHOUT_FILE
    wanted = {f"{name.upper()}_FILE" if name in as_files else name.upper() for name in fields}
    assert set(re.findall(r'"([A-Z][A-Z_]+)"', (CHART / "templates/_settings.tpl").read_text())) == wanted


def bounds(field: str) -> dict[str, Any]:
    words = {"ge": "minimum", "le": "maximum", "min_length": "minLength", "max_length": "maxLength"}
    found = {}
    for constraint in Settings.model_fields[field].metadata:
        for attribute, word in words.items():
            if (bound := getattr(constraint, attribute, None)) is not None:
                found[word] = bound
    return found


@pytest.mark.parametrize(
    ("path", "field"),
    [
        ("retentionDays", "retention_days"),
        ("kafka.partitions", "partitions"),
        ("kafka.group", "group"),
        ("auth.jwt.leewaySeconds", "jwt_leeway"),
        ("auth.jwt.claim", "jwt_claim"),
        ("auth.session.field", "auth_field"),
        ("api.rate", "rate"),
    ],
)
def test_a_bound_of_the_schema_is_that_of_the_setting(path: str, field: str) -> None:
    schema, wanted = at(tuple(path.split("."))), bounds(field)
    assert wanted
    assert {word: schema.get(word) for word in wanted} == wanted


def test_the_words_of_the_schema_are_those_of_the_settings() -> None:
    def words(path: str) -> set[str]:
        return set(at(tuple(path.split(".")))["enum"]) - {""}

    def literals(field: str) -> set[str]:
        def within(annotation: Any) -> Iterator[str]:
            for argument in get_args(annotation):
                if isinstance(argument, str):
                    yield argument
                yield from within(argument)

        return set(within(Settings.model_fields[field].annotation))

    assert words("kafka.security") == literals("kafka_security")
    assert words("kafka.sasl.mechanism") == literals("kafka_sasl")
    assert words("logLevel") == literals("log_level")
    assert words("auth.jwt.algorithm") == {HMAC_ALGORITHM, *PUBLIC_KEY_ALGORITHMS}


def test_the_defaults_are_those_of_the_settings() -> None:
    def value(path: str) -> Any:
        found: Any = VALUES
        for name in path.split("."):
            found = found[name]
        return found

    same: Mapping[str, str] = {
        "kafka.topic": "topic",
        "kafka.group": "group",
        "kafka.partitions": "partitions",
        "kafka.security": "kafka_security",
        "retentionDays": "retention_days",
        "auth.jwt.claim": "jwt_claim",
        "auth.jwt.leewaySeconds": "jwt_leeway",
        "auth.session.cookie": "session_cookie",
        "auth.session.field": "auth_field",
        "api.enabled": "enabled",
        "api.origins": "origins",
        "api.rate": "rate",
        "logLevel": "log_level",
        "secretsAsGiven": "secrets_as_given",
    }
    assert {path: value(path) for path in same} == {
        path: Settings.model_fields[field].default for path, field in same.items()
    }


def test_the_chart_is_of_this_version() -> None:
    project = tomllib.loads((Path(__file__).parents[2] / "pyproject.toml").read_text())["project"]
    assert yaml.safe_load((CHART / "Chart.yaml").read_text())["appVersion"] == project["version"]
