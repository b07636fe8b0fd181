"""Places where services run, told apart by kind."""

from __future__ import annotations

from pathlib import Path
from typing import Literal, Self
from urllib.parse import urlsplit

from pydantic import BaseModel, ConfigDict, Field, model_validator

from domain.costs import PriceText

Reference = tuple[str, Path | None, str | None]
"""A secret that settings name: (what it is, the file, the environment variable)."""


class ProcessTarget(BaseModel):
    """Child processes on the machine the bot runs on."""

    model_config = ConfigDict(frozen=True, extra="forbid", use_attribute_docstrings=True)

    kind: Literal["process"]
    """What makes it one of these."""
    home: Path | None = None
    """Where replicas keep their records and logs; default: `targets/NAME` beside the state."""
    models_dir: Path | None = None
    """Where downloaded models are kept; default: `models` beside the state."""
    threads: int = Field(default=0, ge=0, le=1024)
    """Threads a replica may use; 0 takes half the processors."""
    cost_per_hour: PriceText | None = Field(None, examples=["1.20 EUR"])
    """What each replica costs for an hour, where replicas are what is paid for; plans tell it. A
    machine that costs the same whether or not it serves has no such price."""


class RehearsalTarget(BaseModel):
    """Plays a script instead of running anything: for trying commands out."""

    model_config = ConfigDict(frozen=True, extra="forbid", use_attribute_docstrings=True)

    kind: Literal["rehearsal"]
    """What makes it one of these."""
    home: Path | None = None
    """Where it remembers what it pretends to run; default: `targets/NAME` beside the state."""
    script: Literal[
        "smooth",
        "slow-pull",
        "never-ready",
        "crash-loop",
        "out-of-memory",
        "kv-cache-too-small",
        "gated-model",
        "no-gpu",
        "disk-full",
    ] = "smooth"
    """What happens when something is deployed there."""
    pace: float = Field(default=1.0, ge=0, le=60)
    """Seconds each scene takes."""
    cost_per_hour: PriceText | None = Field(None, examples=["1.20 EUR"])
    """What each replica costs for an hour, where replicas are what is paid for; plans tell it. A
    machine that costs the same whether or not it serves has no such price."""


class TlsSettings(BaseModel):
    """The files a TLS connection to an engine is made with, all of them needed."""

    model_config = ConfigDict(frozen=True, extra="forbid", use_attribute_docstrings=True)

    ca: Path = Field(examples=["/etc/gantry/rack/ca.pem"])
    """The certificate authority that signed the engine's certificate."""
    cert: Path = Field(examples=["/etc/gantry/rack/cert.pem"])
    """The bot's own certificate."""
    key: Path = Field(examples=["/etc/gantry/rack/key.pem"])
    """Its key."""


class RegistrySettings(BaseModel):
    """How to log in to a registry of images."""

    model_config = ConfigDict(frozen=True, extra="forbid", use_attribute_docstrings=True)

    username: str = Field(examples=["robot"])
    """Who logs in."""
    password_file: Path | None = Field(None, examples=["/run/secrets/registry"])
    """A file that holds the password or token and nothing else."""
    password_env: str | None = Field(None, examples=["REGISTRY_PASSWORD"])
    """Or the name of an environment variable that holds it."""


class DockerTarget(BaseModel):
    """Containers of a Docker engine: on this machine, by TCP, or through SSH."""

    model_config = ConfigDict(frozen=True, extra="forbid", use_attribute_docstrings=True)

    kind: Literal["docker"]
    """What makes it one of these."""
    host: str = Field("unix:///var/run/docker.sock", examples=["ssh://Aria@wks-bckx01"])
    """`unix://PATH`, `tcp://HOST:PORT` or `ssh://USER@HOST[:PORT][/PATH/TO/docker.sock]`. SSH goes
    by the bot's own `ssh`, with its configuration, agent and known hosts."""
    tls: TlsSettings | None = None
    """For `tcp://`."""
    insecure: bool = False
    """For `tcp://` without `tls`, which lets anybody on the way become root on that host: has to
    be said."""
    ssh_config: Path | None = Field(None, examples=["/etc/gantry/ssh_config"])
    """An ssh configuration instead of the user's own."""
    models_dir: str | None = Field(None, examples=["D:\\Models", "/srv/models"])
    """A directory of that host that `path:` models lie under; containers may read it."""
    volume: str = Field("gantry-models", pattern=r"^[a-zA-Z0-9][a-zA-Z0-9_.-]{1,127}$")
    """The named volume of that host that downloaded models are kept in."""
    publish: str | None = Field(None, examples=["10.0.0.5"])
    """The host's address that replicas listen on; default: the loopback address, and for `tcp://`
    the address that the engine is reached by."""
    images: dict[str, str] = Field({}, examples=[{"llamacpp": "registry.example.org/llama:1"}])
    """Image instead of the usual one, by engine (`llamacpp`), or by engine and hardware
    (`llamacpp-cuda`). `fetch` names what models are fetched with, where the engine's own image has
    no `sh` and `curl`."""
    registries: dict[str, RegistrySettings] = Field(
        {},
        examples=[
            {
                "registry.example.org": {
                    "username": "robot",
                    "password_file": "/run/secrets/registry",
                }
            }
        ],
    )
    """How to log in to registries, by host name."""
    compose: bool = False
    """Whether replicas are Compose projects, which `docker compose` shows and can take down."""
    projects_dir: Path | None = Field(None, examples=["/srv/projects"])
    """A folder of the bot's machine with Compose projects that `compose:` may name. Whoever can
    write there can become root on that host; without it none can be named."""
    hf_token_file: Path | None = Field(None, examples=["/run/secrets/hf-token"])
    """A file that holds a Hugging Face token, for gated models. Whoever may use the engine can
    read it from a container that downloads."""
    hf_token_env: str | None = Field(None, examples=["HF_TOKEN"])
    """Or the name of an environment variable that holds it."""
    cost_per_hour: PriceText | None = Field(None, examples=["1.20 EUR"])
    """What each replica costs for an hour, where replicas are what is paid for; plans tell it. A
    machine that costs the same whether or not it serves has no such price."""

    @property
    def cautions(self) -> tuple[str, ...]:
        """What whoever runs the bot is told each time it starts."""
        if not self.insecure:
            return ()
        return (f"{self.host} is spoken to in the clear: whoever is on the way is root there",)

    @property
    def secrets(self) -> tuple[Reference, ...]:
        """What it names by reference, to be masked before it is ever used."""
        logins = (
            (f"the password for {host}", login.password_file, login.password_env)
            for host, login in self.registries.items()
        )
        return (("the Hugging Face token", self.hf_token_file, self.hf_token_env), *logins)

    @model_validator(mode="after")
    def _reachable(self) -> Self:
        scheme = urlsplit(self.host).scheme
        if scheme not in ("unix", "tcp", "ssh"):
            raise ValueError(
                f"host is not a way to an engine: `{self.host.rpartition('@')[2]}`; write unix://, "
                "tcp:// or ssh://"
            )
        if scheme != "tcp" and (self.tls or self.insecure):
            raise ValueError(f"tls and insecure are for tcp://, and host is {scheme}://")
        if scheme == "tcp" and bool(self.tls) == self.insecure:
            raise ValueError("tcp:// needs either `tls` or `insecure: true`")
        if scheme != "ssh" and self.ssh_config:
            raise ValueError(f"ssh_config is for ssh://, and host is {scheme}://")
        return self
