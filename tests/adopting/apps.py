"""What the recipes run: their app under a real server, nginx in front, and the service with their environment."""

from __future__ import annotations

import getpass
import os
import re
import shlex
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

from tests.adopting.recipes import Recipe
from tests.infrastructure.process import ServerProcess
from tests.product.deployments import Deployment, start_embedded
from tests.product.process import environment

ROOT = Path(__file__).parents[2]
HERE = Path(__file__).parent
SCAFFOLD = HERE / "django_project"
PREFIX = "SIDDES_TELEMETRY_"
COMMANDS = "in the folder of your app"

_NGINX = """\
worker_processes 1;
pid {folder}/nginx.pid;
error_log stderr;
events {{}}
http {{
    include /etc/nginx/mime.types;
    access_log off;
    client_body_temp_path {folder}/nginx-body;
    proxy_temp_path {folder}/nginx-proxy;
    fastcgi_temp_path {folder}/nginx-fastcgi;
    uwsgi_temp_path {folder}/nginx-uwsgi;
    scgi_temp_path {folder}/nginx-scgi;
    include {folder}/photos.conf;
}}
"""


@contextmanager
def served(command: list[str], folder: Path, port: int, variables: Mapping[str, str] | None = None) -> Iterator[str]:
    """The address of a program that listens on this port."""
    client = f"{ROOT / 'clients/python/src'}"
    env = {**environment({}), "PYTHONPATH": os.pathsep.join((str(folder), client)), **(variables or {})}
    process = ServerProcess(command, log=folder / f"{Path(command[0]).name}-{port}.log", env=env)
    try:
        process.wait_until(lambda: _is_open(port))
        yield f"http://127.0.0.1:{port}"
    finally:
        process.end(signal.SIGTERM)


@contextmanager
def service(recipe: Recipe, folder: Path, *, app: int = 0, port: int = 0) -> Iterator[Deployment]:
    """`siddes-telemetry up` with exactly the recipe's environment and events; `app`: the port of the app it asks."""
    Recipe("Your events").write(folder, "events.toml")
    settings = {
        name.removeprefix(PREFIX): re.sub(r":(8000|3000)\b", f":{app}", value)
        for name, value in recipe.environment().items()
    }
    settings |= {"DATA": str(folder / "data"), "EVENTS": str(folder / "events.toml")}
    deployment = Deployment(settings, folder)
    try:
        start_embedded(deployment, "--port", str(port))
        yield deployment
    finally:
        deployment.end()


@contextmanager
def behind_nginx(nginx: Path, recipe: Recipe, folder: Path, port: int, ports: Mapping[str, int]) -> Iterator[str]:
    """The address of an nginx with the recipe's server; `ports`: what stands for :8000 and :8080 in it."""
    replaced = {"listen 80;": f"listen 127.0.0.1:{port};", "/srv/photos": str(folder)}
    replaced |= {f"127.0.0.1{theirs}": f"127.0.0.1:{ours}" for theirs, ours in ports.items()}
    recipe.write(folder, "photos.conf", **replaced)
    (folder / "nginx.conf").write_text(_NGINX.format(folder=folder))
    directives = f"daemon off; user {getpass.getuser()};"  # a worker of root's must get at its folder
    with served([str(nginx), "-c", str(folder / "nginx.conf"), "-g", directives], folder, port) as url:
        yield url


def run_commands(recipe: Recipe, folder: Path) -> None:
    """Run the recipe's commands in the app's folder, beside a checkout of this project."""
    checkout = folder.parent / "siddes-telemetry"
    if not checkout.exists():
        checkout.symlink_to(ROOT)
    subprocess.run(["sh", "-ec", recipe.files()[COMMANDS]], cwd=folder, check=True, timeout=60)


def django(port: int) -> list[str]:
    """Serves the scaffold's project, whose files are in the working folder's PYTHONPATH."""
    options = (
        f"-m gunicorn --bind 127.0.0.1:{port} --workers 1 --threads 4 --no-control-socket project_wsgi:application"
    )
    return [sys.executable, *shlex.split(options)]


def fastapi(port: int) -> list[str]:
    return [sys.executable, *shlex.split(f"-m uvicorn --host 127.0.0.1 --port {port} fastapi_main:app")]


def port_of(url: str) -> int:
    return int(url.rsplit(":", 1)[1])


def _is_open(port: int) -> bool:
    with socket.socket() as probe:
        return probe.connect_ex(("127.0.0.1", port)) == 0
