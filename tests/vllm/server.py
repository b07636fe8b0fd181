"""A real vLLM on the processor, started with the command line that its containers get."""

from __future__ import annotations

import json
import os
import shutil
import signal
import socket
import subprocess
import tempfile
import time
import urllib.error
import urllib.request
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

from deployers.engines import vllm
from deployers.engines.preset import Weights
from domain.services import Placement, ServiceSpec
from domain.sources import parse_source

NAME = "qwen"
PATIENCE = 300.0
"""Seconds it gets to load: half a minute of imports, and more where others compute, too."""
ENVIRONMENT = {
    "HF_HUB_OFFLINE": "1",
    "VLLM_NO_USAGE_STATS": "1",
    "VLLM_CPU_KVCACHE_SPACE": "1",
    "OMP_NUM_THREADS": "1",
}


def make_model(python: Path, folder: Path, **fields: Any) -> Path:
    """Have a tiny model written; `fields` are for its config.json."""
    script = Path(__file__).with_name("make_model.py")
    said = [f"{key}={json.dumps(value)}" for key, value in fields.items()]
    command = [python, script, folder, *said]
    subprocess.run(command, check=True, capture_output=True, env={**os.environ, **ENVIRONMENT})
    return folder


def service(model: Path | str = "/models/x", **more: Any) -> ServiceSpec:
    """What a room asks for."""
    placements = (Placement(target="local", replicas=1),)
    source = parse_source(f"path:{model}")
    return ServiceSpec(name=NAME, source=source, engine="vllm", placements=placements, **more)


def command(model: Path | str, **more: Any) -> tuple[str, ...]:
    """What follows the entrypoint of the image."""
    return vllm.Vllm().start(service(model, **more), Weights(str(model)), "cpu").command


class Vllm:
    """One server, in a process group of its own: it has one process that listens and others."""

    def __init__(self, process: subprocess.Popen[bytes], log: Path, url: str) -> None:
        self.url = url
        self._process, self._log = process, log

    @classmethod
    @contextmanager
    def started(
        cls,
        python: Path,
        model: Path | str,
        *options: str,
        port: int | None = None,
        settings: Sequence[tuple[str, str]] = (("tool-call-parser", "hermes"),),
        environment: Mapping[str, str] | None = None,
        **more: Any,
    ) -> Iterator[Vllm]:
        """Run one until the block ends. It may be loading still, or have ended already."""
        port = port or _free()
        words = command(model, settings=tuple(settings), **more)
        here = ("--host", "127.0.0.1", "--port", str(port), "--enforce-eager", *options)
        log = Path(tempfile.mkdtemp(prefix="gantry-vllm-")) / "log"
        with log.open("wb") as written:
            process = subprocess.Popen(
                [python.with_name("vllm"), "serve", *words, *here],
                stdout=written,
                stderr=subprocess.STDOUT,
                start_new_session=True,
                env={**os.environ, **ENVIRONMENT, **(environment or {})},
            )
        running = cls(process, log, f"http://127.0.0.1:{port}")
        try:
            yield running
        finally:
            running.signal(signal.SIGKILL)
            process.wait()
            shutil.rmtree(log.parent)

    def ready(self) -> None:
        """Wait until it answers."""
        deadline = time.monotonic() + PATIENCE
        while self._process.poll() is None and time.monotonic() < deadline:
            try:
                self.get("/v1/models")
            except (urllib.error.URLError, OSError):
                time.sleep(0.5)
            else:
                return
        raise AssertionError(f"vLLM did not start:\n{self.log()[-4000:]}")

    def ended(self) -> int:
        """Wait for its end; returns the exit code."""
        return self._process.wait(PATIENCE)

    def signal(self, number: int) -> None:
        """To all of its processes."""
        with suppress(ProcessLookupError):
            os.killpg(self._process.pid, number)

    def log(self) -> str:
        """What it wrote so far."""
        return self._log.read_text(errors="replace")

    def get(self, path: str) -> str:
        """One of its pages."""
        with urllib.request.urlopen(self.url + path, timeout=10) as answer:
            text: str = answer.read().decode()
            return text


def _free() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port
