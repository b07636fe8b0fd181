"""Having the weights on a Docker host before a replica is started, and what they are."""

from __future__ import annotations

import asyncio
import io
from collections.abc import Callable, Mapping
from dataclasses import replace

from deployers.docker.api import Answer, Gone
from deployers.docker.diagnosis import refusal
from deployers.docker.downloads import Downloads
from deployers.docker.failures import tarred
from deployers.docker.found import Found, Lately
from deployers.docker.images import Tell
from deployers.docker.shelf import Mount, Shelf
from deployers.docker.shelves import Place, Shelves, is_folder
from deployers.engines.preset import WEIGHTS
from deployers.models.bundled import bundled
from deployers.models.checksums import Known
from deployers.models.gguf import MAGIC, Header, read_header
from deployers.models.glances import Glances
from deployers.models.repositories import OnlyFiles, Repository
from deployers.models.transfer import in_words
from deployers.protocol import Stocked
from domain.errors import OpsError, Refused, Unreachable
from domain.proposals import quantisation
from domain.sources import Source

_TRIES = 5
_GLANCE, _LOOK = 1 << 20, 32 << 20
"""Bytes that hold nearly every header, and those that have the vocabulary first."""
_NOTE = 1 << 12


class Models:
    """The models of one Docker host, in its volume and its directory."""

    def __init__(
        self,
        shelves: Shelves,
        shelf: Shelf,
        downloads: Downloads,
        glances: Callable[[], Glances],
    ) -> None:
        self._shelves, self._shelf, self._lately = shelves, shelf, Lately(shelves.clock)
        self._downloads, self._glances = downloads, glances
        self._bringing = asyncio.Lock()
        """An engine that unpacks one file twice at once takes it away from itself."""

    async def fetch(self, source: Source, image: str, tell: Tell) -> None:
        """Have a model there. What an engine fetches by itself is left to it.

        `image` is any that is there: a container of it, which is never started, is the way in.
        Raises Refused or Unreachable in words that say what to do.
        """
        if self._lately.of(source):
            return
        if source.scheme == "path":
            await self._must_be_there(source, image)
        elif source.scheme == "tiny":
            await self._bring(source, image, tell)
        elif _of_hub(source):
            await self._download(source, image, tell)

    def environment(self, source: Source) -> Mapping[str, str]:
        """What a replica's engine needs to fetch a model by itself. Raises Refused."""
        return self._downloads.environment(source)

    async def find(self, source: Source, image: str) -> Found | None:
        """A model that is there; None for one that is not, or that an engine keeps by itself."""
        if source.scheme == "ollama" or (source.scheme == "hf" and source.file is None):
            return None
        if lately := self._lately.of(source):
            return lately
        weights, mounts = self._shelf.find(source)
        try:
            async with self._shelves.open(image, mounts) as place:
                found = await self._look(place, source, weights.path)
        except (Gone, Answer):
            return None
        self._lately.note(found)
        return found

    async def foresee(self, source: Source) -> Found | None:
        """A model that is there or, where it is still to be fetched, as its hub has it, by what
        the bot itself sees of the hub. None for what is not to be had."""
        try:
            if found := await self._somehow(source):
                return found
            if source.scheme == "tiny":
                return await asyncio.to_thread(_bundled, source)
            there = await self._glances().at(source) if _of_hub(source) else None
        except OpsError:
            return None
        return Found(source, there.size, _named(there.header, source)) if there else None

    async def repository(self, source: Source) -> Repository | None:
        """A whole repository as its hub has it, by what the bot sees of it. None for what is not
        to be had."""
        try:
            return await self._glances().repository(source)
        except OpsError:
            return None

    async def refuse_single_files(self, source: Source) -> None:
        """Raise Refused for a whole repository that is none. What is not to be had says nothing."""
        try:
            await self._glances().repository(source)
        except OnlyFiles:
            raise
        except OpsError:
            return

    async def stock(self, source: Source) -> Stocked:
        """Whether a model is there, how large it is, and what keeps it from being fetched."""
        try:
            if found := await self._somehow(source):
                return Stocked(here=True, size=found.size)
            if _of_hub(source):
                return Stocked(here=False, size=(await self._glances().at(source)).size)
            if source.scheme == "tiny":
                return Stocked(here=False, size=bundled(source).stat().st_size)
        except OpsError as error:
            return Stocked(here=False, trouble=error.summary)
        missing = f"there is no {source.location} on that host"
        return Stocked(here=False, trouble=missing if source.scheme == "path" else "")

    async def aclose(self) -> None:
        """Leave nothing open there."""
        await self._shelves.aclose()

    async def _somehow(self, source: Source) -> Found | None:
        """What is there, through whatever image is."""
        if lately := self._lately.of(source):
            return lately
        image = await self._shelves.any_image()
        return await self.find(source, image) if image else None

    async def _must_be_there(self, source: Source, image: str) -> None:
        weights, mounts = self._shelf.find(source)
        try:
            async with self._shelves.open(image, mounts) as place:
                end, there = await place.followed(weights.path)
        except Answer as answer:
            raise refusal(f"{source} cannot be read there", str(answer)) from answer
        if there is None and end != weights.path:
            raise Refused(
                f"{source.location} is a link to {end}, which a container does not see there",
                hint="write the path that it leads to, or have it lead to where models are kept",
            )
        if there is None:
            raise Refused(
                f"there is no {source.location} on that host",
                hint="check the path, which is one of the target's host",
            )

    async def _bring(self, source: Source, image: str, tell: Tell) -> None:
        file = bundled(source)
        inside, content = f"tiny/{file.name}", await asyncio.to_thread(file.read_bytes)
        try:
            async with self._bringing:
                if self._lately.of(source):
                    return
                async with self._shelves.open(image, (self._kept,)) as place:
                    there = await place.stat(f"{WEIGHTS}/{inside}")
                    if not there or there["size"] != len(content):
                        tell(None, f"bringing {source}, {len(content) / 1e6:.2g} MB")
                        await place.put(WEIGHTS, tarred(inside, content))
                    self._lately.note(await asyncio.to_thread(_bundled, source))
        except Answer as answer:
            raise refusal(f"{source} cannot be put there", str(answer)) from answer

    async def _download(self, source: Source, image: str, tell: Tell) -> None:
        order = self._downloads.order(source, self._shelf.name(source))
        try:
            for tried in range(_TRIES):
                async with self._shelves.open(image, (self._kept,)) as place:
                    there = await place.stat(order.place)
                if there and tried:
                    tell(1.0, f"{in_words(there['size'])} fetched")
                if there:
                    return
                await self._downloads.fetch(order, image, tell)
        except Answer as answer:
            raise refusal(f"{source} cannot be fetched there", str(answer)) from answer
        raise Unreachable(
            f"what fetches {source} on that host is ended again and again",
            hint=f"look there with `docker events`; the container is {order.name}",
        )

    async def _look(self, place: Place, source: Source, path: str) -> Found | None:
        end, stat = await place.followed(path)
        if stat is None:
            return None
        if is_folder(stat):
            return Found(source, None)
        known = await _known(place, path) if source.scheme == "hf" else None
        header = await self._lately.header(source, stat, lambda: _header(place, end))
        return Found(source, int(stat["size"]), _named(header, source), known)

    @property
    def _kept(self) -> Mount:
        return Mount("volume", self._shelf.volume, WEIGHTS)


def _named(header: Header, source: Source) -> Header:
    """With the quantisation that the file's name tells where the header does not."""
    return replace(header, quantisation=header.quantisation or quantisation(source.location))


def _of_hub(source: Source) -> bool:
    return source.scheme == "hf" and source.file is not None


def _bundled(source: Source) -> Found:
    place = bundled(source)
    with place.open("rb") as file:
        return Found(source, place.stat().st_size, _named(read_header(file), source))


async def _header(place: Place, path: str) -> Header:
    for most in (_GLANCE, _LOOK):
        data = await place.beginning(path, most)
        try:
            return read_header(io.BytesIO(data))
        except ValueError:
            if not data.startswith(MAGIC) or len(data) < most:  # that was all of it, or is no model
                break
    return Header()


async def _known(place: Place, path: str) -> Known | None:
    """What deployers/docker/fetch.sh wrote down beside it."""
    try:
        note = await place.beginning(f"{path}.known", _NOTE)
    except Gone:
        return None
    sha256, _, commit = str(note, "utf-8", "replace").strip().partition(" ")
    return Known(sha256, commit or None) if sha256 else None
