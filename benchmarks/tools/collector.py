"""The OpenTelemetry Collector with what the benchmark needs of it, built from the Go module proxy."""

from __future__ import annotations

import os
import shutil
import subprocess
from pathlib import Path

from tests.infrastructure.fetching import Unavailable

VERSION = "0.155.0"
BUILD_DEADLINE_S = 1200
MANIFEST = f"""\
dist:
  name: otelcol
  description: what the benchmark needs of the Collector
  output_path: ./dist
receivers:
  - gomod: go.opentelemetry.io/collector/receiver/otlpreceiver v{VERSION}
exporters:
  - gomod: github.com/open-telemetry/opentelemetry-collector-contrib/exporter/kafkaexporter v{VERSION}
"""


def collector(cache: Path) -> Path:
    """The program, built once (two minutes, 1 GB while it builds). Raises Unavailable."""
    program = cache / f"otelcol-{VERSION}"
    if program.exists():
        return program
    if shutil.which("go") is None:
        raise Unavailable("no go on the PATH")
    build = cache / "otelcol-build"
    build.mkdir(parents=True, exist_ok=True)
    (build / "manifest.yaml").write_text(MANIFEST)
    own = {"GOPATH": str(build / "go"), "GOCACHE": str(build / "cache"), "GOFLAGS": "-modcacherw", "CGO_ENABLED": "0"}
    print("building the OpenTelemetry Collector, once ...", flush=True)
    for command in (
        ["go", "install", f"go.opentelemetry.io/collector/cmd/builder@v{VERSION}"],
        [str(build / "go" / "bin" / "builder"), "--config", "manifest.yaml"],
    ):
        ended = subprocess.run(
            command,
            cwd=build,
            env=os.environ | own,
            check=False,
            capture_output=True,
            text=True,
            timeout=BUILD_DEADLINE_S,
        )
        if ended.returncode:
            raise Unavailable(f"{Path(command[0]).name} failed: {ended.stderr.strip()[-500:]}")
    (build / "dist" / "otelcol").rename(program)
    shutil.rmtree(build)
    return program
