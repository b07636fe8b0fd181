"""Who is measured: how each gateway is started, and what it needs for that."""

from __future__ import annotations

import os
import shutil
import sys
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import yaml

from bench.gateway.upstream import MODEL
from bench.gateway.wire import KEY
from bench.peer_env import installed
from domain.errors import OpsError

OURS, BARE, NGINX, LITELLM, DIRECT = "gantry", "bare", "nginx", "litellm", "direct"

_LITELLM = ("litellm[proxy]==1.106.2",)
"""The last whose dependencies all have a release; see `docs/benchmarks.md`."""
_CACHE = Path(".bench-peers")


@dataclass(frozen=True, slots=True)
class Candidate:
    """A gateway that can be started."""

    name: str
    start: Callable[[int, Sequence[str], Path], list[str]]
    """The command line for a port, the URLs of the upstreams and a folder; writes what that
    refers to. Raises OpsError, with the reason, where it cannot be had."""
    patience: float = 30.0
    """Seconds until it answers."""
    environment: Mapping[str, str] = field(default_factory=dict)


def _module(name: str) -> Callable[[int, Sequence[str], Path], list[str]]:
    return lambda port, urls, _: [sys.executable, "-m", f"bench.gateway.{name}", str(port), *urls]


def _nginx(port: int, urls: Sequence[str], folder: Path) -> list[str]:
    """One worker, connections to upstreams kept, nothing buffered, nothing logged."""
    program = shutil.which("nginx") or "/usr/sbin/nginx"
    if not os.access(program, os.X_OK):
        raise OpsError("it is not installed (Debian: apt install nginx-light)")
    servers = "\n".join(f"        server {url.removeprefix('http://')};" for url in urls)
    temp = "\n".join(
        f"    {kind}_temp_path {folder}/nginx-{kind};"
        for kind in ("client_body", "proxy", "fastcgi", "uwsgi", "scgi")
    )
    user = "user root;" if os.geteuid() == 0 else ""
    config = folder / "nginx.conf"
    config.write_text(
        f"""{user}
worker_processes 1;
daemon off;
pid {folder}/nginx.pid;
error_log {folder}/nginx-error.log;
events {{ worker_connections 4096; }}
http {{
    access_log off;
{temp}
    upstream models {{
{servers}
        keepalive 64;
    }}
    server {{
        listen 127.0.0.1:{port} backlog=1024;
        location / {{
            proxy_pass http://models;
            proxy_http_version 1.1;
            proxy_set_header Connection "";
            proxy_buffering off;
            proxy_buffer_size 64k;
            proxy_buffers 8 64k;
        }}
    }}
}}
"""
    )
    return [program, "-c", str(config)]


def _litellm(port: int, urls: Sequence[str], folder: Path) -> list[str]:
    """At its defaults: one worker, no router settings."""
    python = installed(_CACHE / LITELLM, _LITELLM)
    told = {
        "model_list": [
            {
                "model_name": MODEL,
                "litellm_params": {
                    "model": f"openai/{MODEL}",
                    "api_base": f"{url}/v1",
                    "api_key": KEY,
                },
            }
            for url in urls
        ],
        "general_settings": {"master_key": KEY},
    }
    config = folder / "litellm.yaml"
    config.write_text(yaml.safe_dump(told))
    words = ["--config", str(config), "--host", "127.0.0.1", "--port", str(port)]
    return [str(python.with_name("litellm")), *words, "--telemetry", "False"]


CANDIDATES = (
    Candidate(OURS, _module("ours")),
    Candidate(BARE, _module("bare")),
    Candidate(NGINX, _nginx),
    Candidate(
        LITELLM,
        _litellm,
        patience=90.0,
        environment={
            "LITELLM_DANGEROUSLY_PERMIT_WEAK_OR_UNSET_MASTER_KEY": "true",
            "LITELLM_LOCAL_MODEL_COST_MAP": "True",
            "LITELLM_LOG": "ERROR",
        },
    ),
)
