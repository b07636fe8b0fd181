#!/usr/local/bin/python3 -S
"""The part of Ollama's API that Gantry uses, in its wire format, with an invented library.

By docs/api.md and docs/openai.md of its repository. The real server was never seen here.
"""

from __future__ import annotations

import json
import os
import signal
import sys
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

_LIBRARY = "https://registry.ollama.ai/v2/library/unreachable/manifests/latest"
_NO_HOST = "dial tcp: lookup registry.ollama.ai: no such host"
LAYER, TOTAL, CHUNK = "sha256:" + "a" * 64, 4_000_000, 1_000_000


def _store() -> Path:
    folder = Path(os.environ["OLLAMA_MODELS"])
    folder.mkdir(parents=True, exist_ok=True)
    return folder / "tags.json"


def _tags() -> list[str]:
    store = _store()
    return list(json.loads(store.read_text())) if store.exists() else []


def _full(name: str) -> str:
    """As it lists it: in the shortest form, with a tag."""
    short = name.removeprefix("registry.ollama.ai/").removeprefix("library/")
    return short if ":" in short else f"{short}:latest"


def _add(name: str) -> None:
    _store().write_text(json.dumps(sorted({*_tags(), _full(name)})))


class Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def do_GET(self) -> None:
        if self.path == "/api/tags":
            self._answer({"models": [{"name": name, "model": name} for name in _tags()]})
        elif self.path == "/v1/models":
            listed = [{"id": name, "object": "model"} for name in _tags()]
            self._answer({"object": "list", "data": listed})
        else:
            self._answer({"error": "not found"}, 404)

    def do_POST(self) -> None:
        asked = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        if self.path == "/api/pull":
            print(f"pull {asked['model']}", flush=True)
            self._pull(asked["model"])
        elif self.path == "/api/copy":
            if _full(asked["source"]) not in _tags():
                self._answer({"error": f"model '{asked['source']}' not found"}, 404)
                return
            _add(asked["destination"])
            self._answer(None)
        elif self.path == "/v1/chat/completions":
            self._complete(asked["model"])
        else:
            self._answer({"error": "not found"}, 404)

    def _pull(self, model: str) -> None:
        news: list[dict[str, Any]] = [{"status": "pulling manifest"}]
        if model.startswith("unreachable"):  # before anything else was said it has a status
            self._answer({"error": f'pull model manifest: Get "{_LIBRARY}": {_NO_HOST}'}, 500)
            return
        if model.startswith("no-such"):
            news.append({"error": "pull model manifest: file does not exist"})
        else:
            layer = {"status": "pulling aaaaaaaaaaaa", "digest": LAYER, "total": TOTAL}
            steps = range(0, TOTAL + 1, CHUNK)
            news += [layer | ({"completed": done} if done else {}) for done in steps]
            news += [{"status": "verifying sha256 digest"}, {"status": "writing manifest"}]
            news.append({"status": "success"})
            _add(model)
        self._stream([json.dumps(each) + "\n" for each in news], "application/x-ndjson")

    def _complete(self, model: str) -> None:
        if f"{model}:latest" not in _tags():
            self._answer({"error": {"message": f"model '{model}' not found"}}, 404)
            return
        chunk = {"object": "chat.completion.chunk", "model": model, "id": "chatcmpl-1"}
        parts = [
            chunk | {"choices": [{"index": 0, "delta": {"content": "Hi"}, "finish_reason": None}]},
            chunk | {"choices": [{"index": 0, "delta": {}, "finish_reason": "stop"}]},
        ]
        lines = [f"data: {json.dumps(part)}\n\n" for part in parts] + ["data: [DONE]\n\n"]
        self._stream(lines, "text/event-stream")

    def _answer(self, body: object, status: int = 200) -> None:
        data = b"" if body is None else json.dumps(body).encode()
        self.send_response(status)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(data)))
        self.end_headers()
        self.wfile.write(data)

    def _stream(self, lines: list[str], kind: str) -> None:
        self.send_response(200)
        self.send_header("Content-Type", kind)
        self.send_header("Transfer-Encoding", "chunked")
        self.end_headers()
        for line in [*(line.encode() for line in lines), b""]:
            self.wfile.write(f"{len(line):x}\r\n".encode() + line + b"\r\n")
            self.wfile.flush()

    def log_message(self, *_: object) -> None:
        """Nothing: the log is for what tests look at."""


def main() -> int:
    """Serve until SIGTERM."""
    host, _, port = os.environ["OLLAMA_HOST"].rpartition(":")
    server = ThreadingHTTPServer((host, int(port)), Handler)
    for signum in (signal.SIGTERM, signal.SIGINT):
        signal.signal(signum, lambda *_: threading.Thread(target=server.shutdown).start())
    server.serve_forever()
    return 0


if __name__ == "__main__":
    sys.exit(main())
