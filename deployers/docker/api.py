"""What the bot asks of an engine, each call with its promise."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Collection, Iterable, Iterator, Mapping
from contextlib import suppress
from datetime import datetime
from typing import Any, Literal

import docker
from docker.utils import version_lt

from deployers.docker.client import (
    about,
    failure,
    make,
    make_errand,
    make_shelf,
    memory_used,
    stat,
)
from deployers.docker.container import Container
from deployers.docker.line import Answer as Answer
from deployers.docker.line import Gone as Gone
from deployers.docker.line import Line
from deployers.docker.marks import TAKEN_OVER, Mark, candidates, inspected, labelled, marks
from deployers.docker.shelf import Mount
from deployers.docker.ways.connection import Connection
from domain.replicas import Gpu

KEPT_UP: Any = {"Name": "unless-stopped", "MaximumRetryCount": 0}
"""The restart policy of a replica that was ready once."""

Listed = list[Mapping[str, Any]]
"""Containers at a glance."""

CONFLICT = 409
"""The status of a no that comes from what is there already."""


class Api:
    """One engine, by one connection."""

    def __init__(self, name: str, connection: Connection, *, heeds_marks: bool = False) -> None:
        """`heeds_marks`: whether containers may be ours by a mark beside them (see `marks`). To
        look for those takes one more call a list."""
        self._connection, self._heeds_marks = connection, heeds_marks
        self._line = Line(name, connection)

    async def info(self) -> Mapping[str, Any]:
        """What the engine says of itself and its host."""
        return await self._line.call(about)

    async def ping(self) -> None:
        """Have it answer, if only that it is there."""
        await self._line.call(lambda client: client.ping())

    async def containers(self, **labels: str) -> list[Mapping[str, Any]]:
        """Every container with these labels, whatever became of it, each looked at whole. ""
        stands for any value."""
        return await self.whole(await self.listed(**labels))

    async def containers_by(
        self, label: str, values: Collection[str]
    ) -> dict[str, list[Mapping[str, Any]]]:
        """For each of these values of a label the containers that have it, found by one list."""
        listed = await self.listed(**{label: ""})
        wanted = [each for each in listed if each["Labels"][label] in values]
        found: dict[str, list[Mapping[str, Any]]] = {value: [] for value in values}
        for each in await self.whole(wanted):
            found[each["Config"]["Labels"][label]].append(each)
        return found

    async def listed(self, **labels: str) -> Listed:
        """The same at a glance, in one call however many there are."""
        wanted = [f"{name}={value}" if value else name for name, value in labels.items()]
        if not self._heeds_marks:
            return await self._list({"label": wanted})
        found, marked = await asyncio.gather(self._list({"label": wanted}), self.marks())
        if others := candidates(marked, labels):
            found = [*found, *await self._list({"id": others})]
        return labelled(found, marked, labels)

    async def whole(self, listed: Iterable[Mapping[str, Any]]) -> list[Mapping[str, Any]]:
        """Each of these looked at whole, but for those that are gone by now."""
        there = list(listed)
        looked = await asyncio.gather(*(self._if_there(each["Id"]) for each in there))
        pairs = zip(looked, there, strict=True)
        return [inspected(each, short) for each, short in pairs if each is not None]

    async def marks(self) -> list[Mark]:
        """Every mark there is, also of containers that are gone; none where they are not heeded."""
        if not self._heeds_marks:
            return []
        told = await self._line.call(lambda client: client.volumes(filters={"label": TAKEN_OVER}))
        return marks(told.get("Volumes"))

    async def put_mark(self, mark: Mark) -> None:
        """Make it; one that is there already stays as it is. Raises Answer."""
        labels = dict(mark.labels)
        await self._line.call(
            lambda client: client.create_volume(mark.name, labels=labels), settle=True
        )

    async def take_mark(self, mark: Mark) -> None:
        """Take it away. One that is gone is fine."""
        with suppress(Gone):
            await self._line.call(lambda client: client.remove_volume(mark.name), settle=True)

    async def container(self, name: str) -> Mapping[str, Any]:
        """One container, by name or id. Raises Gone."""
        return await self._line.call(lambda client: client.inspect_container(name))

    async def image(self, name: str) -> Mapping[str, Any] | None:
        """An image that is there; None for one that is not."""
        try:
            return await self._line.call(lambda client: client.inspect_image(name))  # type: ignore[no-untyped-call]
        except Gone:
            return None

    async def any_image(self) -> str | None:
        """Some image that is there, for a container that is never started."""
        found = await self._line.call(lambda client: client.images(quiet=True))
        return str(found[0]) if found else None

    async def pull(self, name: str, login: Mapping[str, str]) -> AsyncIterator[Mapping[str, Any]]:
        """Fetch an image, telling what the engine tells of each layer. Raises Answer."""
        client = await self._line.open()

        def begin() -> Iterator[Mapping[str, Any]]:
            return iter(client.pull(name, stream=True, decode=True, auth_config=dict(login)))

        async for news in self._line.stream(begin):
            if why := failure(news):
                raise Answer(500, why)
            yield news

    async def create(self, wanted: Container) -> str:
        """Make a container and return its id. Raises Answer."""
        return await self._line.call(lambda client: make(client, wanted), settle=True)

    async def create_shelf(
        self, name: str, image: str, mounts: Iterable[Mount], labels: dict[str, str]
    ) -> str:
        """Make a container that is never started, to reach what it mounts. Raises Answer."""
        return await self._line.call(
            lambda client: make_shelf(client, name, image, mounts, labels), settle=True
        )

    async def create_errand(
        self, name: str, image: str, script: str, environment: dict[str, str], **rest: Any
    ) -> str:
        """Make a container that runs a shell script, as root, and goes away when that ends.

        `rest` is `mounts` and `labels`. Raises Answer.
        """
        return await self._line.call(
            lambda client: make_errand(client, name, image, script, environment, **rest),
            settle=True,
        )

    async def have_volume(self, name: str) -> None:
        """Make a named volume; one that is there already stays as it is. Raises Answer."""
        await self._line.call(lambda client: client.create_volume(name), settle=True)

    async def start(self, name: str) -> None:
        """Start a container that was made. Raises Answer."""
        await self._line.call(lambda client: client.start(name), settle=True)

    async def keep_up(self, name: str) -> None:
        """Have the engine start it again from now on, whenever it or the host went down."""
        await self._line.call(lambda client: client.update_container(name, restart_policy=KEPT_UP))

    async def stop(self, name: str, patience: int) -> None:
        """End it, by force after so many seconds. One that is gone or ended is fine."""
        with suppress(Gone):
            await self._line.call(lambda client: client.stop(name, timeout=patience), settle=True)

    async def remove(self, name: str, *, volumes: bool = True) -> None:
        """Take it away, running or not, with its anonymous `volumes`. One that is gone is fine."""

        try:
            await self._line.call(
                lambda client: client.remove_container(name, force=True, v=volumes), settle=True
            )
        except Gone:
            return
        except Answer as answer:
            if answer.status != CONFLICT:  # somebody is taking it away already
                raise

    async def put(self, name: str, folder: str, tar: bytes) -> None:
        """Unpack a tar into a folder of a container. Raises Gone or Answer."""
        await self._line.call(lambda client: client.put_archive(name, folder, tar), settle=True)

    async def stat(self, name: str, path: str) -> Mapping[str, Any]:
        """What its file system says of a path. Raises Gone."""
        return await self._line.call(lambda client: stat(client, name, path))

    async def get(self, name: str, path: str, most: int) -> tuple[Mapping[str, Any], bytes]:
        """(what its file system says of a path, the first bytes of a tar of it). Raises Gone."""

        def fetch(client: docker.APIClient) -> tuple[Mapping[str, Any], bytes]:
            stream, stat = client.get_archive(name, path)
            taken = bytearray()
            for chunk in stream:
                taken += chunk
                if len(taken) >= most:
                    break
            stream.close()
            return stat, bytes(taken[:most])

        return await self._line.call(fetch)

    async def last_words(
        self,
        name: str,
        lines: int,
        *,
        since: datetime | None = None,
        until: datetime | None = None,
    ) -> list[str]:
        """The last lines it wrote (between then and then), oldest first. Raises Gone."""

        def ask(client: docker.APIClient) -> bytes:
            can = until and not version_lt(client.api_version, "1.35")
            begin, end = (each.timestamp() if each else None for each in (since, until))
            wrote: bytes = client.logs(name, tail=lines, since=begin, until=end if can else None)
            return wrote

        text = await self._line.call(ask)
        return [] if not lines else str(text, "utf-8", "replace").splitlines()

    async def log(
        self, name: str, tail: int | Literal["all"], since: float | None
    ) -> AsyncIterator[bytes]:
        """What it wrote and goes on to write, each line with its time before it. Raises Gone."""
        client = await self._line.open()

        def begin() -> Iterator[bytes]:
            stream: Iterator[bytes] = client.logs(
                name, stream=True, follow=True, timestamps=True, tail=tail, since=since
            )
            return stream

        async for chunk in self._line.stream(begin):
            yield chunk

    async def run(self, name: str, command: list[str]) -> tuple[int, str]:
        """Run something inside it: (exit code, what it wrote). Raises Gone or Answer."""

        def execute(client: docker.APIClient) -> tuple[int, str]:
            made = client.exec_create(name, command)
            said = client.exec_start(made["Id"])
            code = client.exec_inspect(made["Id"])["ExitCode"]
            return int(code), str(said, "utf-8", "replace")

        return await self._line.call(execute)

    async def events(
        self, since: int, label: str, kinds: Iterable[str]
    ) -> AsyncIterator[Mapping[str, Any]]:
        """What happens to containers with such a label, from a moment on (seconds, epoch).

        An engine remembers its latest 256 events, until it is started anew.
        """
        client = await self._line.open()
        filters = {"type": "container", "label": [label], "event": list(kinds)}

        def begin() -> Iterator[Mapping[str, Any]]:
            stream: Iterator[Mapping[str, Any]] = client.events(
                since=since, filters=filters, decode=True
            )
            return stream

        async for event in self._line.stream(begin):
            yield event

    async def used(self) -> int:
        """Bytes of memory that all containers use together, page cache left out."""

        def ask(client: docker.APIClient) -> int:
            running = client.containers()
            said = [client.stats(each["Id"], stream=False, one_shot=True) for each in running]
            return sum(memory_used(each) for each in said)

        return await self._line.call(ask)

    @property
    def address(self) -> str:
        """Of the engine, as it is configured."""
        return self._connection.address

    async def cards(self) -> tuple[Gpu, ...] | None:
        """The host's graphics cards, asked beside the engine; None where that cannot be."""
        return await self._connection.cards()

    async def aclose(self) -> None:
        """Let go of the engine, then of the way to it."""
        await self._line.aclose()

    async def _list(self, filters: Mapping[str, list[str]]) -> list[Mapping[str, Any]]:
        return await self._line.call(
            lambda client: client.containers(all=True, filters=dict(filters))
        )

    async def _if_there(self, name: str) -> Mapping[str, Any] | None:
        try:
            return await self.container(name)
        except Gone:
            return None
