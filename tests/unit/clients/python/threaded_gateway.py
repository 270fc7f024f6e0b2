"""A gateway in a thread, for clients that block: it counts every batch once, unless it is told to hold its answers."""

from __future__ import annotations

import json
import threading
from collections import Counter
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from types import TracebackType
from typing import Self

ANSWER = b'{"ok":true,"accepted":1,"rejected":[]}'


class ThreadedGateway:
    """`counted`: by token and event. `answers` is cleared to hold answers back, and set to let them go."""

    def __init__(self) -> None:
        self.counted: Counter[tuple[str, str]] = Counter()
        self.requests = 0
        self.answers = threading.Event()
        self.answers.set()
        self.asked = threading.Event()
        self._seen: set[str] = set()
        self._lock = threading.Lock()
        gateway = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_POST(self) -> None:
                body = self.rfile.read(int(self.headers["Content-Length"]))
                gateway.take(self.headers["Authorization"].removeprefix("Bearer "), json.loads(body))
                gateway.asked.set()
                gateway.answers.wait()
                self.send_response(200)
                self.send_header("Content-Length", str(len(ANSWER)))
                self.end_headers()
                self.wfile.write(ANSWER)

            def log_message(self, *_: object) -> None:
                """Nothing is printed."""

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self._server.daemon_threads = True
        self._server.block_on_close = False  # a client may keep its connection open
        self._thread = threading.Thread(target=self._server.serve_forever, kwargs={"poll_interval": 0.01})

    @property
    def url(self) -> str:
        """An address by name: it has to be looked up."""
        return f"http://localhost:{self._server.server_port}"

    def take(self, token: str, batch: dict[str, object]) -> None:
        with self._lock:
            self.requests += 1
            if (batch_id := str(batch["batch_id"])) in self._seen:
                return
            self._seen.add(batch_id)
            events = batch["events"]
            assert isinstance(events, list)
            for entry in events:
                self.counted[token, entry["event"]] += entry["count"]

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.answers.set()
        self._server.shutdown()
        self._thread.join()
        self._server.server_close()
