"""A place to try each kind of target on, and specs that succeed and fail there."""

from __future__ import annotations

import asyncio
import json
import os
import signal
import struct
import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import aiohttp

from bot.clock import SystemClock as RealClock
from deployers import registry
from deployers.protocol import Deployer, Tools
from domain.clock import Clock
from domain.plans import Plan
from domain.progress import Progress, Report
from domain.readiness import FirstToken, Probe
from domain.replicas import Observed
from domain.services import Placement, ServiceSpec
from domain.sources import parse_source
from ops_config.load import secret
from tests.engines.engine import DockerEngine

TARGET = "here"


async def probe(base_url: str, model: str) -> FirstToken | None:
    """The model is listed and a one-token completion comes back."""
    ask = {"model": model, "prompt": "Q:", "max_tokens": 1}
    begun = time.monotonic()
    try:
        async with aiohttp.ClientSession(timeout=aiohttp.ClientTimeout(total=10)) as session:
            async with session.get(f"{base_url}/v1/models") as answer:
                listed = await answer.json() if answer.ok else {"data": []}
            if model not in [entry["id"] for entry in listed["data"]]:
                return None
            async with session.post(f"{base_url}/v1/completions", json=ask) as answer:
                return FirstToken(time.monotonic() - begun) if answer.ok else None
    except (aiohttp.ClientError, TimeoutError):
        return None


async def deaf(base_url: str, model: str) -> FirstToken | None:
    """A probe that never gets an answer."""
    return None


@dataclass
class Stage:
    """One target of one kind, in a folder of its own."""

    kind: str
    root: Path
    ours: dict[str, Any] = field(default_factory=dict)
    """Settings that every deployer over it has."""
    engine: DockerEngine | None = None
    """Where its containers are, if it has any."""
    environment: dict[str, str] = field(default_factory=dict)
    """Variables that a bot over it needs."""
    opened: list[Deployer] = field(default_factory=list)

    def open(self, ask: Probe = probe, clock: Clock | None = None, **settings: Any) -> Deployer:
        """A deployer over the target, as after a restart of the bot."""
        kind = registry.kind(self.kind)
        ours = self.ours | ({"pace": 0.0} if self.kind == "rehearsal" else {})
        parsed = kind.settings.model_validate({"kind": self.kind} | ours | settings)
        tools = Tools(ask, clock or RealClock(), self.root, secret)
        self.opened.append(kind.open(TARGET, parsed, tools))
        return self.opened[-1]

    def spec(self, replicas: int = 1, source: str = "tiny://ops", **fields: Any) -> ServiceSpec:
        """A service `tiny` with so many replicas."""
        return ServiceSpec(
            name="tiny",
            source=parse_source(source),
            placements=(Placement(target=TARGET, replicas=replicas),),
            **({"context": 64, "startup_budget": 30.0} | fields),
        )

    def good(self, replicas: int = 1) -> ServiceSpec:
        """A service that gets ready."""
        return self.spec(replicas)

    def good_v2(self, replicas: int = 1) -> ServiceSpec:
        """Another revision of it that gets ready too."""
        return self.spec(replicas, context=96)

    def broken(self, replicas: int = 1) -> ServiceSpec:
        """A revision that never gets ready."""
        if self.kind == "rehearsal":
            return self.spec(replicas, "tiny://never-ready")
        model = self.root / "unheard-of.gguf"
        model.parent.mkdir(parents=True, exist_ok=True)
        model.write_bytes(unheard_of_model())
        return self.spec(replicas, f"path:{model}")

    @property
    def unsupported(self) -> list[ServiceSpec]:
        """Specs this kind must refuse to plan."""
        if self.kind == "rehearsal":
            return [self.spec(gpu=1)]
        if self.kind == "docker":
            return [
                self.spec(source="s3://bucket/model.gguf"),
                self.spec(source="hf://org/whole-repository"),
                self.spec(source="hf://org/whole-repository", engine="vllm"),
                self.spec(source="tiny://opps"),
                self.spec(gpu=1),
                self.spec(engine="custom"),
                self.spec(settings=(("paralel", "2"),)),
                self.spec(settings=(("threads", "many"),)),
                self.spec(2, settings=(("port", "18999"),)),
            ]
        return [
            self.spec(source="ollama://qwen"),
            self.spec(source="hf://org/whole-repository"),
            self.spec(source="tiny://opps"),
            self.spec(gpu=64),
            self.spec(settings=(("paralel", "2"),)),
            self.spec(settings=(("threads", "many"),)),
            self.spec(2, settings=(("port", "18999"),)),
        ]

    def running(self) -> dict[int, str]:
        """What really runs on the target, by pid; nothing of a kind that runs nothing."""
        if self.engine is not None:
            return self.engine.running()
        found = {}
        for entry in Path("/proc").iterdir():
            with suppress(OSError):
                words = (entry / "cmdline").read_text().split("\0") if entry.name.isdigit() else []
                if "--replica-dir" in words:
                    folder = Path(words[words.index("--replica-dir") + 1])
                    if folder.is_relative_to(self.root):
                        found[int(entry.name)] = folder.name
        return found

    def namespaces(self, service: str) -> dict[str, str | None]:
        """Which namespace each replica of a service really is in, asked behind the deployer's
        back. To be taught for each kind that has namespaces."""
        if self.kind != "rehearsal":
            raise AssertionError(f"say in tests/contract/stages.py where {self.kind} keeps them")
        files = self.root.rglob(f"{service}.json")
        kept = {name: role for file in files for name, role in json.loads(file.read_text()).items()}
        return {name: role["namespace"] for name, role in kept.items()}

    async def close(self) -> None:
        """Let go of everything and end whatever still runs."""
        for deployer in self.opened:
            await deployer.aclose()
        if self.engine is not None:
            self.engine.remove_containers()
            return
        for pid in self.running():
            with suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)


def ignore(progress: Progress) -> None:
    """A report nobody listens to."""


async def make_plan(deployer: Deployer, want: ServiceSpec, operation: str = "op1") -> Plan:
    """Look, and plan from what was seen."""
    have = await deployer.observe(want.name)
    return deployer.plan(want, have, await deployer.inspect(), operation)


async def bring(deployer: Deployer, want: ServiceSpec, report: Report = ignore) -> Observed:
    """Plan, carry out, look."""
    async with asyncio.timeout(60):
        await deployer.apply(await make_plan(deployer, want), report)
    return await deployer.observe(want.name)


def at(count: int, act: Callable[[], object]) -> Report:
    """A report that acts when told something for the `count`th time."""
    told = 0

    def report(progress: Progress) -> None:
        nonlocal told
        told += 1
        if told == count:
            act()

    return report


def unheard_of_model() -> bytes:
    """A whole GGUF header of an architecture that does not exist."""
    key, value = b"general.architecture", b"unheard-of"
    return b"".join(
        [
            *(b"GGUF", struct.pack("<IQQ", 3, 0, 1)),
            *(struct.pack("<Q", len(key)), key, struct.pack("<I", 8)),
            *(struct.pack("<Q", len(value)), value),
        ]
    )
