"""What local servers run from, fetched once into a cache folder through the registries' own clients and checked.

`python3 -m tests.infrastructure.downloads [kafka] [compiler] [clickhouse] [kubernetes] [next]` fetches ahead of the
tests. It needs Python alone.
"""

from __future__ import annotations

import base64
import hashlib
import os
import platform
import shutil
import sys
import tarfile
from pathlib import Path

from tests.infrastructure.fetching import HERE, Unavailable, cache_folder, check, fetching, require, run, sha256
from tests.infrastructure.go_programs import go_module_files, go_program
from tests.infrastructure.kafka_archive import make_archive

KAFKA = "kafka-4.1.1"
KAFKA_SHA256 = (
    "a3030b5e96aa0571d6ccc42ccc50a3b5df413036c3f437437cedf84205e5bf4c"  # of `sha256sum`'s lines for the sorted jars
)
COMPILER = "ecj-3.39.0.jar"
COMPILER_ARTIFACT = "org.eclipse.jdt:ecj:3.39.0"
COMPILER_SHA256 = "01f5a92ac19bb2b3bf85e295a68f2c73c264369109158b566ce9b490af982948"
LIBCHDB = "libchdb-26.7.3-stable.1.so"
LIBCHDB_PACKAGE = "@chdb/lib-linux-x64-gnu@26.7.3-stable.1"
LIBCHDB_INTEGRITY = (
    "XP97mMqnc5tZpKQywR8N7cLTsHNiTmHr30pC5mzo3jWmukjKn2IBa60c2B/gWUNcuFjOMjWoorQICCqBVj5wpw=="  # SHA-512
)
HELM = "v3.19.5"
KUBECONFORM = "v0.7.0"
KUBERNETES = "v1.34.2"
PROMETHEUS_OPERATOR = "v0.85.0"
GATEWAY_API = "v1.4.1"
NEXT_APP = HERE.parent / "adopting/next_app"
MONITORING_KINDS = ("podmonitors", "prometheusrules")


def kafka_jars(cache: Path) -> Path:
    """The folder of the broker's jars (43 MB), beside the archive of its classes."""
    require("java")
    with fetching(cache, KAFKA) as (folder, done):
        if not done:
            require("mvn")
            shutil.copy(HERE / "pom.xml", folder)
            run(folder, "mvn", "-q", "-B", "dependency:copy-dependencies", "-DoutputDirectory=jars")
            lines = [f"{sha256(jar)}  {jar.name}\n" for jar in sorted((folder / "jars").iterdir())]
            check(hashlib.sha256("".join(lines).encode()).hexdigest(), KAFKA_SHA256, "the broker's jars")
            (folder / "jars").rename(cache / KAFKA)
    make_archive(cache / KAFKA)
    return cache / KAFKA


def java_compiler(cache: Path) -> Path:
    """Eclipse's compiler (3 MB), for Java runtimes without one."""
    require("java")
    with fetching(cache, COMPILER) as (folder, done):
        if not done:
            require("mvn")
            artifact = f"-Dartifact={COMPILER_ARTIFACT}"
            run(folder, "mvn", "-q", "-B", "dependency:copy", artifact, "-DoutputDirectory=.")
            check(sha256(folder / COMPILER), COMPILER_SHA256, "the Java compiler")
            (folder / COMPILER).rename(cache / COMPILER)
    return cache / COMPILER


def libchdb(cache: Path) -> Path:
    """The file of the ClickHouse library (178 MB to fetch, 566 MB unpacked)."""
    if (sys.platform, platform.machine()) != ("linux", "x86_64"):
        raise Unavailable("the library is for Linux on x86-64 only")
    with fetching(cache, LIBCHDB) as (folder, done):
        if not done:
            require("npm")
            run(folder, "npm", "pack", "--silent", LIBCHDB_PACKAGE)
            (archive,) = folder.glob("*.tgz")
            with archive.open("rb") as file:
                digest = hashlib.file_digest(file, "sha512").digest()
            check(base64.b64encode(digest).decode(), LIBCHDB_INTEGRITY, "the ClickHouse library")
            with tarfile.open(archive) as tar, (folder / LIBCHDB).open("wb") as library:
                member = tar.extractfile("package/libchdb.so")
                assert member
                shutil.copyfileobj(member, library)
            (folder / LIBCHDB).rename(cache / LIBCHDB)
    return cache / LIBCHDB


def helm(cache: Path) -> Path:
    """Helm's program. As in its Makefile, the version of Kubernetes for which it renders is that of the API."""
    major, minor, _ = KUBERNETES.removeprefix("v").split(".")
    flags = [f"-X helm.sh/helm/v3/internal/version.version={HELM}"]
    for package in ("lint/rules", "chartutil"):
        flags.append(f"-X helm.sh/helm/v3/pkg/{package}.k8sVersionMajor={major}")
        flags.append(f"-X helm.sh/helm/v3/pkg/{package}.k8sVersionMinor={minor}")
    return go_program(cache, "helm.sh/helm/v3/cmd/helm", version=HELM, ldflags=" ".join(flags))


def kubeconform(cache: Path) -> Path:
    """The program that holds manifests against schemas."""
    ldflags = f"-X main.version={KUBECONFORM}"
    return go_program(cache, "github.com/yannh/kubeconform/cmd/kubeconform", version=KUBECONFORM, ldflags=ldflags)


def kubernetes_api(cache: Path) -> Path:
    """The folder of Kubernetes' OpenAPI document, swagger.json (4 MB)."""
    files = ("api/openapi-spec/swagger.json",)
    return go_module_files(cache, "k8s.io/kubernetes", version=KUBERNETES, files=files)


def prometheus_operator(cache: Path) -> Path:
    """The folder of its custom resource definitions that a chart may use."""
    named = [f"example/prometheus-operator-crd/monitoring.coreos.com_{kind}.yaml" for kind in MONITORING_KINDS]
    module = "github.com/prometheus-operator/prometheus-operator"
    return go_module_files(cache, module, version=PROMETHEUS_OPERATOR, files=tuple(named))


def gateway_api(cache: Path) -> Path:
    """The folder of HTTPRoute's custom resource definition."""
    files = ("config/crd/standard/gateway.networking.k8s.io_httproutes.yaml",)
    return go_module_files(cache, "sigs.k8s.io/gateway-api", version=GATEWAY_API, files=files)


def next_packages(cache: Path) -> Path:
    """A folder with Next.js (350 MB) in its node_modules; apps below it find them there. npm checks each package."""
    name = f"next-{sha256(NEXT_APP / 'package-lock.json')[:12]}"
    with fetching(cache, name) as (folder, done):
        if not done:
            require("npm")
            (folder / name).mkdir()
            for file in ("package.json", "package-lock.json", ".npmrc"):
                shutil.copy(NEXT_APP / file, folder / name)
            run(folder / name, "npm", "ci", "--ignore-scripts", "--silent")
            (folder / name).rename(cache / name)
    return cache / name


FETCHERS = {
    "kafka": (kafka_jars,),
    "compiler": (java_compiler,),
    "clickhouse": (libchdb,),
    "kubernetes": (helm, kubeconform, kubernetes_api, prometheus_operator, gateway_api),
    "next": (next_packages,),
}


if __name__ == "__main__":
    for wanted in sys.argv[1:] or FETCHERS:
        for fetch in FETCHERS[wanted]:
            fetch(cache_folder(os.environ))
