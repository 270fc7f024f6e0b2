"""A type checker knows the events of the module that `siddes-telemetry schema python` prints."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import siddes_telemetry_client
from tests.product.process import run

CLIENT = Path(siddes_telemetry_client.__file__).parents[1]
EVENTS = """
revision = 1
[[event]]
name = "photo_opened"
id = 1
meaning = "A photo was opened."
[[event]]
name = "photo_printed"
id = 2
meaning = "A photo was printed."
retired = true
"""
CONFIGURATION = f"""
[mypy]
strict = True
mypy_path = {CLIENT}
[mypy-siddes_telemetry_client.*]
follow_imports = silent
[mypy-aiohttp.*]
follow_imports = skip
"""  # aiohttp is nothing that users of the client see, and takes most of the time
APP = """
import siddes_telemetry_client
from siddes_telemetry_client import viewer_token
from telemetry_events import Event, RecordingTelemetry, Telemetry, TelemetryClient

def export(telemetry: Telemetry, event: Event) -> None:
    telemetry.count("photo_opened", 3, token=viewer_token("secret", "alice"))
    telemetry.count(event, token="token")
    telemetry.count("photo_exprted", token="token")  # wrong
    telemetry.count("photo_printed", token="token")  # wrong
    telemetry.count("photo_opened")  # wrong
    name: str = "photo_" + "opened"
    telemetry.count(name, token="token")  # wrong

async def in_a_loop() -> None:
    async with TelemetryClient("http://localhost") as telemetry:
        telemetry.count("photo_opened", token="token")
        telemetry.count("photo_exprted", token="token")  # wrong

with Telemetry("http://localhost", disabled=True) as telemetry:
    export(telemetry, "photo_opened")
    export(telemetry, "photo_exprted")  # wrong
    accepted: int = telemetry.stats.accepted

recording = RecordingTelemetry()
export(recording, "photo_opened")
events: list[str] = [call.event for call in recording.calls]
untyped = siddes_telemetry_client.Telemetry("http://localhost")
untyped.count("anything", token="token")
export(untyped, "photo_opened")
untyped.count(7, token="token")  # wrong
"""


def test_a_wrong_event_is_a_type_error_and_a_right_one_is_not(tmp_path: Path) -> None:
    (tmp_path / "events.toml").write_text(EVENTS)
    printed = run("schema", "python", "--events", str(tmp_path / "events.toml"), settings={})
    assert (printed.returncode, printed.stderr) == (0, "")
    (tmp_path / "telemetry_events.py").write_text(printed.stdout)
    (tmp_path / "app.py").write_text(APP)
    (tmp_path / "mypy.ini").write_text(CONFIGURATION)
    checked = subprocess.run(
        [sys.executable, "-m", "mypy", "--config-file=mypy.ini", "telemetry_events.py", "app.py"],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        timeout=110,
        check=False,
    )
    wrong = [number for number, line in enumerate(APP.splitlines(), 1) if line.endswith("# wrong")]
    found = [int(number) for number in re.findall(r"^app\.py:(\d+): error:", checked.stdout, re.MULTILINE)]
    assert found == wrong, checked.stdout
    assert checked.stdout.count(" error:") == len(wrong), checked.stdout
