"""The files of deploy/: their secrets, and ClickHouse's users."""

from __future__ import annotations

import subprocess
from pathlib import Path
from shutil import copy
from xml.etree import ElementTree as ET

from tests.product.documented_grants import Grant, grants_in

DEPLOY = Path(__file__).parents[2] / "deploy"


def make_secrets(folder: Path) -> dict[str, str]:
    """What deploy/make-secrets leaves in this folder's `.env`."""
    subprocess.run([copy(DEPLOY / "make-secrets", folder)], check=True, cwd="/")
    return dict(line.split("=", 1) for line in (folder / ".env").read_text().splitlines())


def users_in(file: Path) -> dict[str, set[Grant]]:
    """The grants of each user in a file for users.d, except `default`."""
    users = ET.parse(file).getroot().find("users")
    assert users is not None
    return {user.tag: _grants(user) for user in users if user.tag != "default"}


def _grants(user: ET.Element) -> set[Grant]:
    queries = [query.text or "" for query in user.iterfind("grants/query")]
    assert all(query.startswith("GRANT ") for query in queries)
    return {grant for query in queries for grant in grants_in(query.removeprefix("GRANT "))}
