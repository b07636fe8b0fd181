"""Fetching an image, told in bytes."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from deployers.docker.api import Answer, Api, Gone
from deployers.docker.diagnosis import refusal
from domain.clock import Clock
from domain.errors import Refused

Tell = Callable[[float | None, str], None]
"""(fraction, text): how far it is."""

Login = Callable[[str], Mapping[str, str]]
"""A registry's host name -> what to log in with there; nothing for none."""

_EVERY = 0.5
"""Seconds between two tellings."""

_DEFAULT_REGISTRY = "docker.io"


class Layers:
    """What was told of the layers of one image so far."""

    def __init__(self) -> None:
        self._sizes: dict[str, tuple[int, int]] = {}
        self._there: set[str] = set()

    def hear(self, news: Mapping[str, Any]) -> None:
        """One line of `POST /images/create` (Docker Engine API 1.41)."""
        layer, status = str(news.get("id", "")), str(news.get("status", ""))
        detail = news.get("progressDetail") or {}
        if status == "Downloading" and detail.get("total"):
            self._sizes[layer] = (int(detail["current"]), int(detail["total"]))
        elif status in ("Download complete", "Pull complete", "Already exists"):
            total = self._sizes.get(layer, (0, 0))[1]
            self._sizes[layer] = (total, total)
            if status != "Download complete":
                self._there.add(layer)
        elif status in ("Pulling fs layer", "Waiting"):
            self._sizes.setdefault(layer, (0, 0))

    @property
    def fetched(self) -> int:
        """Bytes."""
        return sum(current for current, _ in self._sizes.values())

    @property
    def total(self) -> int:
        """Bytes, of the layers that were begun."""
        return sum(total for _, total in self._sizes.values())

    @property
    def count(self) -> tuple[int, int]:
        """(layers that are there, layers in all)."""
        return len(self._there), len(self._sizes)


class Images:
    """The images of one engine."""

    def __init__(self, api: Api, login: Login, clock: Clock) -> None:
        self._api, self._login, self._clock = api, login, clock

    async def fetch(self, name: str, tell: Tell) -> str:
        """Have an image there and return what it is for certain: by digest where it came from a
        registry, else by id. Raises Refused in words that say what to do."""
        there = await self._there(name)
        if there is None:
            await self._pull(name, tell)
            there = await self._there(name)
        if there is None:
            raise Refused(f"{name} was fetched and is not there", hint="look with `docker images`")
        return resolved(name, there)

    async def known(self, name: str) -> str | None:
        """What an image that is there already is for certain; None for one that is not. Raises
        Refused for what can be no image's name."""
        there = await self._there(name)
        return resolved(name, there) if there else None

    async def _there(self, name: str) -> Mapping[str, Any] | None:
        try:
            return await self._api.image(name)
        except Answer as answer:
            raise Refused(
                f"{name} can be no image's name: {str(answer).rpartition(': ')[2]}",
                hint="write it as its registry does, like vllm/vllm-openai:v0.11.0",
            ) from answer

    async def _pull(self, name: str, tell: Tell) -> None:
        layers, begun = Layers(), self._clock.monotonic()
        told = begun - _EVERY
        tell(None, f"pulling {name}")
        try:
            async for news in self._api.pull(tagged(name), self._login(registry(name))):
                layers.hear(news)
                now = self._clock.monotonic()
                if layers.count[1] and now - told >= _EVERY:
                    told = now
                    tell(*_told(layers, now - begun))
        except (Answer, Gone) as answer:
            raise refusal(f"{name} cannot be pulled", str(answer)) from answer


def resolved(name: str, image: Mapping[str, Any]) -> str:
    """An image of `GET /images/NAME/json` by its digest, or by its id if it has none under that
    name. To one that is asked for by its id any name will do.

    An image may have several names, which the engine tells in the order of the alphabet: to call it
    by another would have it go away with that one. Where containerd keeps the images, those that
    were made there have a digest too.
    """
    whole = str(image["Id"])
    named = "" if name == whole else f"{repository(name)}@"
    digests = (str(each) for each in image.get("RepoDigests") or ())
    return next((each for each in digests if each.startswith(named)), whole)


def repository(name: str) -> str:
    """A reference without tag and digest, in the short writing in which engines tell of it:
    `docker.io/library/nginx:1` is `nginx`."""
    whole = name.partition("@")[0]
    folder, slash, last = whole.rpartition("/")
    path = f"{folder}{slash}{last.partition(':')[0]}"
    for host in ("docker.io/", "index.docker.io/"):
        path = path.removeprefix(host)
    return path.removeprefix("library/")


def registry(name: str) -> str:
    """The registry's host that an image comes from.

    As the reference grammar of the distribution project has it: the first part is a host if it
    holds a dot or a colon, or is `localhost`.
    """
    first, slash, _ = name.partition("/")
    if slash and ("." in first or ":" in first or first == "localhost"):
        return first
    return _DEFAULT_REGISTRY


def tagged(name: str) -> str:
    """The reference with a tag: without one an engine would fetch every tag there is."""
    last = name.rpartition("/")[2]
    return name if ":" in last or "@" in last else f"{name}:latest"


def _told(layers: Layers, seconds: float) -> tuple[float | None, str]:
    there, count = layers.count
    text = f"{there} of {count} layers, {_megabytes(layers.fetched)} of {_megabytes(layers.total)}"
    if seconds > 0:
        text += f", {_megabytes(int(layers.fetched / seconds))}/s"
    return (layers.fetched / layers.total if layers.total else None), text


def _megabytes(count: int) -> str:
    return f"{count / 1e6:.3g} MB"
