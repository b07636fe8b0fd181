"""A real Prometheus that is thrown away, scraping one address several times a second."""

from __future__ import annotations

import asyncio
import shutil
import socket
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import aiohttp

CONFIG = """
global: {{scrape_interval: 200ms, scrape_timeout: 200ms, evaluation_interval: 200ms}}
scrape_configs:
  - job_name: gantry
    static_configs: [{{targets: ["{target}"]}}]
rule_files: ["{rules}"]
"""


def programs() -> tuple[str, str] | None:
    """prometheus and promtool, if they are installed."""
    server, tool = shutil.which("prometheus"), shutil.which("promtool")
    return (server, tool) if server and tool else None


class Prometheus:
    """One server."""

    def __init__(self, url: str, process: subprocess.Popen[bytes], log: Path) -> None:
        self.url = url
        self._process, self._log = process, log

    @classmethod
    @contextmanager
    def started(cls, target: str, rules: Path) -> Iterator[Prometheus]:
        """Scrape host:port until the block ends, with those rules."""
        found = programs()
        assert found, "asked for without looking whether it is there"
        folder = Path(tempfile.mkdtemp(prefix="gantry-prometheus-"))
        config, log = folder / "prometheus.yml", folder / "log"
        config.write_text(CONFIG.format(target=target, rules=rules))
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            address = f"127.0.0.1:{probe.getsockname()[1]}"
        command = [
            *(found[0], f"--config.file={config}", f"--storage.tsdb.path={folder / 'data'}"),
            *(f"--web.listen-address={address}", "--storage.tsdb.retention.time=1h"),
        ]
        with log.open("wb") as written:
            process = subprocess.Popen(command, stdout=written, stderr=written)
        try:
            yield cls(f"http://{address}", process, log)
        finally:
            process.terminate()
            process.wait(30)
            shutil.rmtree(folder)

    async def says(self, query: str) -> list[tuple[dict[str, str], float]]:
        """(labels, value) of each series that the query finds, once it finds any."""
        async with asyncio.timeout(60), aiohttp.ClientSession() as http:
            while not (found := await self._asked(http, query)):
                await asyncio.sleep(0.1)
        return [(each["metric"], float(each["value"][1])) for each in found]

    async def _asked(self, http: aiohttp.ClientSession, query: str) -> Any:
        assert self._process.poll() is None, self._log.read_text()
        try:
            async with http.get(f"{self.url}/api/v1/query", params={"query": query}) as answer:
                return (await answer.json())["data"]["result"] if answer.status == 200 else []
        except aiohttp.ClientConnectionError:
            return []
