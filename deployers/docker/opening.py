"""A Docker target from its settings. Connects to nothing yet."""

from __future__ import annotations

import os
from collections.abc import Mapping
from functools import cache
from ipaddress import ip_address
from urllib.parse import urlsplit

from deployers.docker.api import Api
from deployers.docker.compose.adopting import Adoption
from deployers.docker.compose.driving import Compose
from deployers.docker.compose.program import Program
from deployers.docker.compose.projects import Projects
from deployers.docker.compose.taking_over import TakingOver
from deployers.docker.container import LOOPBACK, Site
from deployers.docker.deployer import DockerDeployer
from deployers.docker.downloads import DEFAULT_HUB, Downloads, Origin
from deployers.docker.images import Images
from deployers.docker.offered import Offered
from deployers.docker.shelf import Shelf
from deployers.docker.shelves import Shelves
from deployers.docker.starting import Starting
from deployers.docker.waiting import Readiness
from deployers.docker.ways.connection import Connection
from deployers.docker.ways.connections import connection
from deployers.docker.weights import Models
from deployers.models.glances import Glances
from deployers.models.hub import Hub
from deployers.protocol import Kind, ReadSecret, Tools
from domain.targets import DockerTarget

_ANY = "0.0.0.0"  # noqa: S104


def deployer(name: str, settings: DockerTarget, tools: Tools, way: Connection) -> DockerDeployer:
    """A deployer that goes this way to its engine."""
    api = Api(name, way, heeds_marks=settings.projects_dir is not None)
    shelf = Shelf(settings.volume, settings.models_dir)
    site = Site(shelf, settings.images, published(settings))
    images = Images(api, lambda host: login(settings, host, tools.secret), tools.clock)
    origin = Origin(endpoint(), lambda: token(settings, tools.secret), settings.images.get("fetch"))
    downloads = Downloads(api, images, origin, settings.volume, tools.clock)
    glances = cache(lambda: Glances(Hub(origin.endpoint, origin.token(), tools.clock)))
    models = Models(Shelves(api, tools.clock), shelf, downloads, glances)
    program = Program(tools.state_dir / "run" / "docker-config")
    compose = Compose(api, way, program, always=settings.compose)
    projects = Projects(way, program, settings.projects_dir)
    adoption = Adoption(api, projects, images, TakingOver(api, projects, images, tools.clock))
    offered = Offered(api, tools.clock)
    starting = Starting(api, images, models, site, compose, adoption, offered)
    return DockerDeployer(name, api, starting, Readiness(way, tools.probe), tools.clock)


def published(settings: DockerTarget) -> str:
    """The address of the host that replicas listen on. Pure.

    Loopback, but for an engine that is reached by TCP: there its own address, or all of them where
    only a name is known.
    """
    url = urlsplit(settings.host)
    if settings.publish or url.scheme != "tcp":
        return settings.publish or LOOPBACK
    try:
        return str(ip_address(url.hostname or ""))
    except ValueError:
        return _ANY


def login(settings: DockerTarget, host: str, read: ReadSecret) -> Mapping[str, str]:
    """What to log in to a registry with; nothing for one that is not named. Raises ConfigError."""
    known = settings.registries.get(host)
    if known is None:
        return {}
    password = read(known.password_file, known.password_env, f"the password for {host}")
    if password is None:
        return {}
    return {
        "username": known.username,
        "password": password.get_secret_value(),
        "serveraddress": host,
    }


def token(settings: DockerTarget, read: ReadSecret) -> str | None:
    """The Hugging Face token; None if the target has none. Raises ConfigError."""
    found = read(settings.hf_token_file, settings.hf_token_env, "the Hugging Face token")
    return found.get_secret_value() if found else None


def endpoint() -> str:
    """The hub's address, as huggingface_hub takes it from the environment."""
    return os.environ.get("HF_ENDPOINT") or DEFAULT_HUB


def _open(name: str, settings: DockerTarget, tools: Tools) -> DockerDeployer:
    return deployer(
        name, settings, tools, connection(settings, tools.clock, tools.state_dir / "run")
    )


KIND = Kind(DockerTarget, _open)
