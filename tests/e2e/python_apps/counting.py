"""What the apps beside this count with. Sent at the end of a process only, unless it counts for a minute."""

from __future__ import annotations

import os

from siddes_telemetry_client import Telemetry, viewer_token

telemetry = Telemetry(os.environ["GATEWAY_URL"], linger_s=60.0, close_timeout_s=30.0)


def count(event: str, times: int, viewer: str) -> None:
    telemetry.count(event, times, token=viewer_token(os.environ["JWT_SECRET"], viewer))
