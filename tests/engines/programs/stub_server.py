#!/usr/local/bin/python3 -S
"""An OpenAI-compatible server without a model, which misbehaves as its environment says.

Takes llama-server's command line too: `--alias` and `--port` count, the rest is passed over.
Seconds are counted from the start.

    SERVED_MODEL           the model's name, unless --alias says; default: stub
    PORT, LLAMA_ARG_PORT   where it listens, unless --port says; default: 8080
    READY_DELAY            seconds that it loads for; /health is 503 meanwhile
    NEVER_READY            loads for ever
    UNHEALTHY_AFTER        seconds after which /health is 500 ...
    HEALTHY_AGAIN_AFTER    ... and after which it is well again
    EXIT_CODE, EXIT_AFTER  what it ends with, and the seconds until then (0)
    LOG_TEXT               what it writes before it ends so, or at the start if it does not
    EAT_MEMORY             MiB that it takes, and keeps, as soon as it listens
    SPEW                   lines of log a second
    HANG                   `all`: requests are taken and never answered; `completions`: only those
    TOKEN_DELAY            seconds before each word of an answer
"""

from __future__ import annotations

import argparse
import json
import os
import signal
import sys
import threading
import time
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

STARTED = time.monotonic()
WORDS = ("Nobody ", "thought ", "of ", "this ", "answer.")


class Stub(BaseHTTPRequestHandler):
    """Answers one request after another of a connection."""

    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True
    model = "stub"

    def do_GET(self) -> None:
        if _said("HANG") == "all":
            _for_ever()
        if self.path == "/health":
            self._health()
        elif self.path in ("/v1/models", "/models"):
            models = [{"id": self.model, "object": "model", "owned_by": "stub"}]
            self._send(200, {"object": "list", "data": models})
        else:
            self._fail(404, "File Not Found")

    def do_POST(self) -> None:
        asked = json.loads(self.rfile.read(int(self.headers.get("Content-Length", 0))) or b"{}")
        if _said("HANG"):
            _for_ever()
        if self.path not in ("/v1/chat/completions", "/v1/completions"):
            self._fail(404, "File Not Found")
        elif not _loaded():
            self._fail(503, "Loading model")
        elif asked.get("stream"):
            self._stream(asked)
        else:
            self._complete(asked)

    def log_message(self, *said: object) -> None:
        """Requests are not worth a line."""

    def _health(self) -> None:
        if not _loaded():
            self._fail(503, "Loading model")
        elif _seconds("UNHEALTHY_AFTER") <= _running() < _seconds("HEALTHY_AGAIN_AFTER"):
            self._fail(500, "unhealthy, as asked")
        else:
            self._send(200, {"status": "ok"})

    def _complete(self, asked: dict[str, Any]) -> None:
        words = list(_words(asked))
        choice = {"index": 0, "finish_reason": _reason(asked), **self._part("".join(words), False)}
        self._send(200, {**self._head(False), "choices": [choice], "usage": _usage(words)})

    def _stream(self, asked: dict[str, Any]) -> None:
        self.close_connection = True
        self.send_response(200)
        self.send_header("Content-Type", "text/event-stream")
        self.send_header("Connection", "close")
        self.end_headers()
        words = []
        for word in _words(asked):
            words.append(word)
            choice = {"index": 0, "finish_reason": None, **self._part(word, True)}
            self._event({**self._head(True), "choices": [choice]})
        choice = {"index": 0, "finish_reason": _reason(asked), **self._part("", True)}
        self._event({**self._head(True), "choices": [choice]})
        if (asked.get("stream_options") or {}).get("include_usage"):
            self._event({**self._head(True), "choices": [], "usage": _usage(words)})
        self.wfile.write(b"data: [DONE]\n\n")

    def _head(self, streamed: bool) -> dict[str, Any]:
        kind = "text_completion"
        if "chat" in self.path:
            kind = "chat.completion.chunk" if streamed else "chat.completion"
        return {"id": "stub-1", "object": kind, "created": int(time.time()), "model": self.model}

    def _part(self, text: str, streamed: bool) -> dict[str, Any]:
        if "chat" not in self.path:
            return {"text": text}
        said = {"role": "assistant", "content": text}
        return {"delta": said} if streamed else {"message": said}

    def _event(self, value: dict[str, Any]) -> None:
        self.wfile.write(f"data: {json.dumps(value)}\n\n".encode())

    def _fail(self, code: int, message: str) -> None:
        kind = "unavailable_error" if code == 503 else "server_error"
        self._send(code, {"error": {"code": code, "message": message, "type": kind}})

    def _send(self, code: int, value: dict[str, Any]) -> None:
        body = json.dumps(value).encode()
        self.send_response(code)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)


class Server(ThreadingHTTPServer):
    """A thread a connection."""

    request_queue_size = 128


def main() -> int:
    """Serve until SIGTERM or the time to end has come, and return the exit code."""
    stop = threading.Event()
    for signum in (signal.SIGTERM, signal.SIGINT):
        signal.signal(signum, lambda *_: stop.set())
    options = argparse.ArgumentParser(allow_abbrev=False, add_help=False)
    options.add_argument("-a", "--alias", default=_said("SERVED_MODEL", "stub"))
    port = _said("PORT") or _said("LLAMA_ARG_PORT", "8080")
    options.add_argument("--port", type=int, default=port)
    asked, _ = options.parse_known_args()
    Stub.model = asked.alias
    server = Server(("0.0.0.0", asked.port), Stub)
    _aside(server.serve_forever)
    if _said("SPEW"):
        _aside(_spew)
    eaten = b"\1" * (int(_said("EAT_MEMORY", "0")) << 20)
    return _until(stop, len(eaten))


def _until(stop: threading.Event, eaten: int) -> int:
    code = _said("EXIT_CODE")
    if not code:
        _write(_said("LOG_TEXT"))
        _write(f"stub: serving, {eaten} bytes eaten")
        stop.wait()
    elif not stop.wait(float(_said("EXIT_AFTER", "0"))):
        _write(_said("LOG_TEXT"))
        return int(code)
    return 0


def _words(asked: dict[str, Any]) -> Iterator[str]:
    for word in WORDS[: asked.get("max_tokens")]:
        time.sleep(float(_said("TOKEN_DELAY", "0")))
        yield word


def _reason(asked: dict[str, Any]) -> str:
    return "length" if (asked.get("max_tokens") or len(WORDS)) < len(WORDS) else "stop"


def _usage(words: list[str]) -> dict[str, int]:
    made = len(words)
    return {"prompt_tokens": 3, "completion_tokens": made, "total_tokens": made + 3}


def _loaded() -> bool:
    return not _said("NEVER_READY") and _running() >= float(_said("READY_DELAY", "0"))


def _spew() -> None:
    for number in range(sys.maxsize):
        _write(f"stub: line {number}")
        time.sleep(1 / float(_said("SPEW")))


def _write(text: str) -> None:
    if text:
        print(text, file=sys.stderr, flush=True)


def _aside(work: Callable[[], None]) -> None:
    threading.Thread(target=work, daemon=True).start()


def _for_ever() -> None:
    threading.Event().wait()


def _running() -> float:
    return time.monotonic() - STARTED


def _seconds(name: str) -> float:
    return float(_said(name, "inf"))


def _said(name: str, otherwise: str = "") -> str:
    return os.environ.get(name, otherwise)


if __name__ == "__main__":
    # At once: a thread that writes while the interpreter is taken down can crash it.
    os._exit(main())
