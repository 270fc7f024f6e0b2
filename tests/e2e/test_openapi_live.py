"""The OpenAPI document that a live process serves, and the process itself held against it by schemathesis."""

from __future__ import annotations

import asyncio
import json
import os
import random
import sys
from pathlib import Path

import aiohttp

from tests.e2e.http_requests import ALIAS, BATCH, INGEST, ME, SERIES, SUMMARY, ApiClient
from tests.product.client import Client, bearer
from tests.product.deployments import Deployment
from tests.product.process import run

SCHEMATHESIS = Path(sys.executable).with_name("schemathesis")
EXAMPLES = 25  # of each operation and phase; most of what is found is found by the coverage phase, which has no limit
RUN_S = 100
# 413: a batch of over 500 events breaks the schema, and is too large rather than bad
CONFIGURATION = """
[checks.negative_data_rejection]
expected-statuses = [400, 401, 403, 404, 405, 406, 413, 415, 422, 428]

# A text need not be a zone's name, nor `days` a window that can be compared: no schema of a text says that.
[[operations]]
include-operation-id = ["summary", "series"]
checks.positive_data_acceptance.expected-statuses = ["2xx", 304, 400, 429]
"""


async def test_the_document_is_the_one_that_is_printed_and_needs_no_viewer(instance: Deployment) -> None:
    async with aiohttp.ClientSession() as session:
        got = await ApiClient(session, instance.read_url).get("/openapi.json")
    assert set(got.json["paths"]) == {INGEST, ALIAS, BATCH, SUMMARY, SERIES, ME, "/openapi.json"}
    printed = run("schema", "openapi", settings=instance.settings)
    assert got.json == json.loads(printed.stdout)


async def test_the_service_keeps_to_its_document(instance: Deployment, tmp_path: Path) -> None:
    seed = os.environ.get("SCHEMATHESIS_SEED") or str(random.randrange(2**32))
    print(f"SCHEMATHESIS_SEED={seed}")
    (tmp_path / "schemathesis.toml").write_text(CONFIGURATION)
    process = await asyncio.create_subprocess_exec(
        *(SCHEMATHESIS, "--config-file", tmp_path / "schemathesis.toml", "run", f"{instance.read_url}/openapi.json"),
        *("--header", f"Authorization: {bearer('schemathesis')['Authorization']}"),
        *("--exclude-path", ALIAS),  # described by the same words as what it stands for
        *("--checks", "all", "--max-examples", str(EXAMPLES), "--seed", seed, "--no-color"),
        *("--continue-on-failure", "--generation-database", "none", "--warnings", "off"),
        cwd=tmp_path,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.STDOUT,
    )
    try:
        async with asyncio.timeout(RUN_S):
            said, _ = await process.communicate()
    finally:
        if process.returncode is None:
            process.kill()
            await process.wait()
    print(said.decode())
    assert process.returncode == 0
    assert '"level": "error"' not in instance.processes["up"].said()
    async with aiohttp.ClientSession() as session:
        assert await Client(session, instance).counts("schemathesis")  # it was let in
