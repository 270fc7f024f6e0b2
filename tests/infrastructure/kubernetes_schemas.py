"""Strict JSON schemas of Kubernetes' objects, in the layout that kubeconform looks for: {kind}-{group}-{version}.json.

Made from the API's OpenAPI document and from custom resource definitions. Strict means that a field which the API does
not know, and would drop without a word, is refused. Each schema stands alone: it holds the definitions it refers to.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

import yaml

Schema = dict[str, Any]
REFERENCE = "#/definitions/"
METADATA = "io.k8s.apimachinery.pkg.apis.meta.v1.ObjectMeta"
# Types that the document gives as strings, and the API reads from numbers too.
ALSO_NUMBERS: dict[str, Schema] = {
    "io.k8s.apimachinery.pkg.api.resource.Quantity": {"type": ["string", "number"]},
    "io.k8s.apimachinery.pkg.util.intstr.IntOrString": {"type": ["string", "integer"]},
}


def write_schemas(folder: Path, *, openapi: Path, custom: Iterable[Path]) -> None:
    """Of every kind in `openapi` (swagger.json) and in the custom resource definitions of `custom` (YAML files)."""
    definitions = {
        name: ALSO_NUMBERS.get(name) or _strict(definition)
        for name, definition in json.loads(openapi.read_text())["definitions"].items()
    }
    for name, definition in definitions.items():
        for kind in definition.get("x-kubernetes-group-version-kind", ()):
            schema = {"$ref": REFERENCE + name, "definitions": _reachable(definitions, REFERENCE + name)}
            _write(folder, schema, group=kind["group"], version=kind["version"], kind=kind["kind"])
    for file in custom:
        spec = yaml.load(file.read_text(), Loader=getattr(yaml, "CSafeLoader", yaml.SafeLoader))["spec"]
        for version in spec["versions"]:
            schema = _strict(version["schema"]["openAPIV3Schema"])
            schema["properties"]["metadata"] = {"$ref": REFERENCE + METADATA}
            schema["definitions"] = _reachable(definitions, REFERENCE + METADATA)
            _write(folder, schema, group=spec["group"], version=version["name"], kind=spec["names"]["kind"])


def _strict(schema: Any) -> Any:
    if isinstance(schema, list):
        return [_strict(one) for one in schema]
    if not isinstance(schema, dict):
        return schema
    inner = {name: _strict(value) for name, value in schema.items()}
    open_ended = "additionalProperties" in inner or inner.get("x-kubernetes-preserve-unknown-fields")
    # A field that is itself named "properties" is no list of fields: its own value says what type it has.
    if isinstance(inner.get("properties"), dict) and not open_ended and inner.get("type") == "object":
        inner["additionalProperties"] = False
    return inner


def _reachable(definitions: Schema, reference: str) -> Schema:
    found: Schema = {}
    waiting = [reference]
    while waiting:
        name = waiting.pop().removeprefix(REFERENCE)
        if name not in found:
            found[name] = definitions[name]
            waiting.extend(_references(definitions[name]))
    return found


def _references(schema: Any) -> Iterator[str]:
    if isinstance(schema, dict):
        if isinstance(reference := schema.get("$ref"), str):
            yield reference
        schema = list(schema.values())
    if isinstance(schema, list):
        for one in schema:
            yield from _references(one)


def _write(folder: Path, schema: Schema, *, group: str, version: str, kind: str) -> None:
    parts = [kind, *(group.split(".")[:1] if group else ()), version]
    (folder / ("-".join(parts).lower() + ".json")).write_text(json.dumps(schema))
