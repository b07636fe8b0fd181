"""A container that fetches one file from a hub: what it is told, and what it tells. Pure."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from urllib.parse import quote

from yarl import URL

from deployers.models.hub_errors import Asked, meaning
from deployers.models.transfer import in_words
from domain.errors import Refused, TargetError, Unreachable
from domain.sources import Source

LINGER = 20
"""Seconds that a container waits with its bad news before it ends, and is gone."""

_MARK = "gantry "
_TOKEN = re.compile(r'[^\s"\\\x00-\x1f\x7f-\uffff]+')
_SETTING = "hf_token_file for the target"
_CURL = {
    "6": "its name cannot be resolved there",
    "7": "it does not answer there",
    "28": "it does not answer in time there",
    "35": "no TLS connection comes about there",
    "60": "its certificate is not believed there",
}
"""Exit codes of curl(1) that say more than that a transfer broke off."""


@dataclass(frozen=True, slots=True)
class Order:
    """One file of a hub, and where it goes."""

    source: Source
    hub: str
    """Its address."""
    place: str
    """The path that a container has it under."""
    volume: str

    @property
    def url(self) -> str:
        """Where the hub has it, as huggingface_hub's `hf_hub_url` makes it."""
        revision = quote(self.source.revision or "main", safe="")
        path = f"{self.source.repository}/resolve/{revision}/{quote(self.source.file or '')}"
        return f"{self.hub.rstrip('/')}/{path}"

    @property
    def name(self) -> str:
        """Of the container: the same for whoever wants the same file in the same place."""
        digest = hashlib.sha256(f"{self.volume}\n{self.place}".encode()).hexdigest()
        return f"gantry-fetch-{digest[:16]}"

    def environment(self, token: str | None) -> Mapping[str, str]:
        """What the script is told. The token is nowhere else.

        Raises Refused for what cannot be a token, without telling it.
        """
        if token and not _TOKEN.fullmatch(token):
            raise Refused("what is kept as Hugging Face token is none", hint=f"look at {_SETTING}")
        origin = str(URL(self.hub).origin())
        told = {"URL": self.url, "HUB": origin, "PLACE": self.place, "LINGER": str(LINGER)}
        return {**told, "HF_TOKEN": token} if token else told


def script() -> str:
    """What the container runs by `sh -c`."""
    return Path(__file__).with_name("fetch.sh").read_text()


@dataclass(frozen=True, slots=True)
class Heard:
    """How far a container is, by the last lines of its log."""

    have: int | None = None
    """Bytes."""
    size: int | None = None
    """Bytes, where the hub tells."""
    word: str = ""
    """`part`, `again`, `checking`, `done`, `failed`; "" before the first."""
    why: tuple[str, ...] = ()
    """What follows `failed`."""
    line: str = ""
    """The last thing that curl or the shell said of itself."""


def heard(lines: Iterable[str]) -> Heard:
    """Read the lines that deployers/docker/fetch.sh writes."""
    found = Heard()
    for line in lines:
        if not line.startswith(_MARK):
            found = replace(found, line=line.strip()[:200] or found.line)
            continue
        word, *rest = line.removeprefix(_MARK).split() or [""]
        found = replace(found, word=word, why=tuple(rest) if word == "failed" else ())
        if word in ("part", "again"):
            found = replace(found, have=_number(rest, 0) or 0)
        if word == "part":
            found = replace(found, size=_number(rest, 1))
    return found


def failure(news: Heard, order: Order, *, has_token: bool) -> TargetError:
    """Why a file cannot be had, in words a person can act on."""
    kind, rest = (news.why or ("",))[0], [*news.why[1:], "", ""]
    if kind == "answered":
        asked = Asked(order.source, order.hub, has_token, "the target's token", _SETTING)
        return meaning(_number(rest, 0) or 0, rest[1], asked)
    if kind == "without":
        return toolless(rest[0])
    if kind == "damaged":
        return Refused(
            f"{order.source} came damaged: its checksum is not the one the hub names",
            hint="deploy again to fetch it anew; if that repeats, a proxy may be changing it",
        )
    return _of_the_disk(kind, rest, news, order) or Unreachable(
        f"{URL(order.hub).host} cannot be reached from that host: "
        + _CURL.get(rest[0], news.line or "the download breaks off"),
        hint=f"put {order.source.file} on the host and use path:/where/it/is.gguf",
    )


def _of_the_disk(kind: str, rest: list[str], news: Heard, order: Order) -> Refused | None:
    where = f"that host's volume {order.volume}"
    match kind:
        case "small":
            need, free = (in_words(_number(rest, n) or 0) for n in (0, 1))
            return Refused(
                f"the disk is too small: {need} to fetch, {free} free in {where}",
                hint="make room there and do it again",
            )
        case "full":
            return Refused(
                f"the disk is full in {where}",
                hint="make room there and do it again; a download goes on where it stopped",
            )
        case "unwritable" | "unreadable":
            return Refused(
                f"{where} cannot be written to: {news.line}",
                hint="look at it with `docker volume inspect`",
            )
    return None


def toolless(tool: str) -> Refused:
    """An image cannot fetch, for want of a program."""
    return Refused(
        f"the image has no {tool}, which fetching a model on that host takes",
        hint="name one that has `sh` and `curl` under the target's images as `fetch`",
    )


def _number(words: list[str], at: int) -> int | None:
    return int(words[at]) if at < len(words) and words[at].isdigit() else None
