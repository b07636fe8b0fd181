"""docker-py's client: made so that nothing of our environment reaches it, and what it is told."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any
from urllib.parse import quote

import docker
import requests
from docker.constants import DEFAULT_DOCKER_API_VERSION
from docker.errors import APIError, create_api_error_from_http_exception
from docker.tls import TLSConfig
from docker.types import DeviceRequest, LogConfig, Mount
from docker.utils import decode_json_header, version_lt

from deployers.docker import shelf
from deployers.docker.container import LOG, SECURITY, Container
from deployers.docker.ways.connection import Way
from domain.errors import Refused, TargetError, Unreachable

PATIENCE = 30
"""Seconds an engine may take to answer one call, whatever the call does meanwhile."""

_OLDEST = "1.25"
_BAD_REQUEST = 400
_STAT = "X-Docker-Container-Path-Stat"
"""The header of `HEAD /containers/ID/archive` (Docker Engine API 1.41)."""


def connected(way: Way) -> docker.APIClient:
    """A client that speaks the newest version both know, and is deaf to our environment.

    docker-py asks for the version while it is made, before it can be told not to heed proxies and
    CA bundles of the environment; so it is made twice. Raises Refused for what is no engine, or one
    that has no version of the API in common with us.
    """
    oldest, newest = _versions(way)
    if version_lt(newest, _OLDEST):
        raise Refused(f"the engine is too old: it speaks API {newest}", hint="Docker 1.13 or newer")
    if version_lt(DEFAULT_DOCKER_API_VERSION, oldest):
        raise Refused(
            f"the engine is too new: it wants API {oldest}, and the bot has "
            f"{DEFAULT_DOCKER_API_VERSION}",
            hint="install a newer `docker` library for the bot: pip install --upgrade docker",
        )
    older = version_lt(newest, DEFAULT_DOCKER_API_VERSION)
    return _client(way, newest if older else DEFAULT_DOCKER_API_VERSION)


def about(client: docker.APIClient) -> Mapping[str, Any]:
    """What the engine says of itself and its host, in the newest version that it speaks: of one
    that is older than what it is asked in, an engine keeps back what came later."""
    answer = client.get(f"{client.base_url}/info", timeout=PATIENCE)
    try:
        answer.raise_for_status()
    except requests.HTTPError as error:
        create_api_error_from_http_exception(error)
    told: Mapping[str, Any] = answer.json()
    return told


def make(client: docker.APIClient, wanted: Container) -> str:
    """Make a container, and do not start it. Returns its id."""
    return _id(
        client.create_container(
            wanted.image,
            list(wanted.command) or None,
            name=wanted.name,
            environment=dict(wanted.environment),
            labels=dict(wanted.labels),
            ports=[wanted.port],
            host_config=_host_config(client, wanted),
            use_config_proxy=False,
        )
    )


def make_shelf(
    client: docker.APIClient,
    name: str,
    image: str,
    mounts: Iterable[shelf.Mount],
    labels: dict[str, str],
) -> str:
    """Make one that is never started, to reach what it mounts."""
    config = client.create_host_config(mounts=_bindings(mounts), network_mode="none")
    return _id(
        client.create_container(
            image,
            ["true"],
            name=name,
            labels=labels,
            host_config=config,
            use_config_proxy=False,
        )
    )


def make_errand(
    client: docker.APIClient,
    name: str,
    image: str,
    script: str,
    environment: dict[str, str],
    *,
    mounts: Iterable[shelf.Mount],
    labels: dict[str, str],
) -> str:
    """Make one that runs a shell script, as root, and goes away when that ends."""
    return _id(
        client.create_container(
            image,
            [script],
            name=name,
            entrypoint=["sh", "-c"],
            user="0:0",
            working_dir="/",
            environment=environment,
            labels=labels,
            healthcheck={"Test": ["NONE"]},
            host_config=_errand_config(client, mounts),
            use_config_proxy=False,
        )
    )


def stat(client: docker.APIClient, container: str, path: str) -> Mapping[str, Any]:
    """What a container's file system says of a path.

    docker-py asks for it together with a tar of it, for which an engine runs a program of its own
    each time; asked for alone, there are no words for why not, so then it is asked for that too.
    """
    url = f"{client.base_url}/v{client.api_version}/containers/{quote(container)}/archive"
    answer = client.head(url, params={"path": path}, timeout=PATIENCE)
    if answer.ok and (said := answer.headers.get(_STAT)):
        told: Mapping[str, Any] = decode_json_header(said)
        return told
    stream, told = client.get_archive(container, path)
    stream.close()
    return told


def memory_used(stats: Mapping[str, Any]) -> int:
    """Bytes that one container uses, as `docker stats` counts: without the page cache (cgroup v1
    `total_inactive_file`, v2 `inactive_file`)."""
    said = stats.get("memory_stats") or {}
    detail = said.get("stats") or {}
    cache = detail.get("total_inactive_file", detail.get("inactive_file", 0))
    return max(0, int(said.get("usage", 0)) - int(cache))


def _versions(way: Way) -> tuple[str, str]:
    """The oldest and the newest version of the API that an engine speaks."""
    try:
        said = _client(way, DEFAULT_DOCKER_API_VERSION).version(api_version=False)
        oldest, newest = str(said.get("MinAPIVersion") or _OLDEST), str(said["ApiVersion"])
        version_lt(oldest, newest)  # raises ValueError for what are no versions
    except APIError as error:
        if error.status_code == _BAD_REQUEST:  # TLS there, and not here: the way tells of it
            raise
        raise _no_engine(error) from error
    except (requests.TooManyRedirects, ValueError, KeyError, AttributeError) as error:
        raise _no_engine() from error
    return oldest, newest


def _no_engine(error: APIError | None = None) -> TargetError:
    if error is not None and error.is_server_error():
        return Unreachable(
            f"what stands before the engine answers {error.status_code} for it",
            hint="see whether Docker runs there",
        )
    answer = f": it answers {error.status_code} when asked for its version" if error else ""
    return Refused(
        f"what listens there is no Docker engine{answer}",
        hint="check the host and port; a proxy before an engine has to let everything through",
    )


def failure(news: Mapping[str, Any]) -> str | None:
    """What went wrong, by a line of what an engine tells while it pulls; None for nothing.

    `error` is what engines have said for ever, and is to go (Engine API 1.48); `errorDetail` stays.
    """
    detail = news.get("errorDetail") or {}
    return str(detail.get("message") or news.get("error") or "") or None


def _client(way: Way, version: str) -> docker.APIClient:
    tls: TLSConfig | bool = False
    if way.certificates:
        own = (str(way.certificates.cert), str(way.certificates.key))
        tls = TLSConfig(client_cert=own, ca_cert=str(way.certificates.ca), verify=True)
    client = docker.APIClient(way.url, version=version, timeout=PATIENCE, tls=tls)
    client.trust_env, client.max_redirects = False, 0
    # What it read of the user's config.json, whose HttpHeaders every call would send.
    client._general_configs = {}  # type: ignore[attr-defined]
    return client


def _host_config(client: docker.APIClient, wanted: Container) -> dict[str, Any]:
    """What an engine is told of a container's place on its host.

    It is not to be started again by the engine, until it was ready once: a replica that dies while
    it starts is a failure, not a loop.
    """
    address, port = wanted.publish
    config: dict[str, Any] = client.create_host_config(
        port_bindings={wanted.port: (address, port or None)},
        mounts=_bindings(wanted.mounts),
        device_requests=_cards(wanted),
        shm_size=wanted.shared_memory,
        nano_cpus=round(wanted.cpus * 1e9) if wanted.cpus else None,
        mem_limit=wanted.memory,
        memswap_limit=wanted.memory,
        log_config=LogConfig(type=LogConfig.types.JSON, config=dict(LOG)),
        security_opt=[*SECURITY],
    )
    return config


def _errand_config(client: docker.APIClient, mounts: Iterable[shelf.Mount]) -> dict[str, Any]:
    """The same of a container that does one thing and goes away by itself when it is done."""
    config: dict[str, Any] = client.create_host_config(
        mounts=_bindings(mounts),
        auto_remove=True,
        log_config=LogConfig(type=LogConfig.types.JSON, config=dict(LOG)),
        security_opt=[*SECURITY],
    )
    return config


def _cards(wanted: Container) -> list[DeviceRequest] | None:
    """By name where the engine has them so: up to 28 it takes none by number without NVIDIA's hook
    beside it, however many it found (tried with 28.5.2)."""
    if wanted.devices:
        names = [*wanted.devices]
        return [DeviceRequest(driver="cdi", device_ids=names, capabilities=[["gpu"]])]
    return [DeviceRequest(count=wanted.gpus, capabilities=[["gpu"]])] if wanted.gpus else None


def _bindings(mounts: Iterable[shelf.Mount]) -> list[Mount]:
    """Mounts as the engine takes them. Not as `-v`: that makes a missing folder of the host."""
    return [Mount(m.target, m.source, type=m.kind, read_only=m.read_only) for m in mounts]


def _id(made: Mapping[str, Any]) -> str:
    return str(made["Id"])
