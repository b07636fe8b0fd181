"""Having a host fetch a model by itself, so that the bot's machine need not carry it there."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping
from dataclasses import dataclass

from deployers.docker.api import CONFLICT, Answer, Api, Gone
from deployers.docker.diagnosis import refusal
from deployers.docker.fetching import Heard, Order, failure, heard, script, toolless
from deployers.docker.images import Images, Tell
from deployers.docker.shelf import ROLE, Mount
from deployers.engines.preset import WEIGHTS
from deployers.models.transfer import Transfer, in_words
from domain.clock import Clock
from domain.errors import Unreachable
from domain.sources import Source

DEFAULT_HUB = "https://huggingface.co"
FETCH = "fetch"
"""The role of a container that does it."""

_LOOK = 0.25
_LINES = 10
_TRIES = 20
_NO_SHELL = ("executable file not found", "no such file or directory")


@dataclass(frozen=True, slots=True)
class Origin:
    """The hub that a host fetches from."""

    endpoint: str
    token: Callable[[], str | None]
    """Read when it is needed. Raises ConfigError or Refused for one that cannot be read."""
    image: str | None = None
    """What fetches, if not the engine's own image."""

    def environment(self) -> dict[str, str]:
        """What an engine that fetches by itself is told, in huggingface_hub's variables."""
        told = {} if self.endpoint == DEFAULT_HUB else {"HF_ENDPOINT": self.endpoint}
        token = self.token()
        return {**told, "HF_TOKEN": token} if token else told


class Downloads:
    """Fetching containers of one host: one a file, whoever asks, found again by its name.

    A container takes itself away when it is done, or has lingered with its bad news: the token it
    was given does not stay behind, also where no bot comes back.
    """

    def __init__(self, api: Api, images: Images, origin: Origin, volume: str, clock: Clock) -> None:
        self._api, self._images, self._origin, self._clock = api, images, origin, clock
        self._volume = volume

    def environment(self, source: Source) -> Mapping[str, str]:
        """What a replica needs whose engine fetches a model by itself; nothing for any other."""
        by_itself = source.scheme == "hf" and source.file is None
        return self._origin.environment() if by_itself else {}

    def order(self, source: Source, place: str) -> Order:
        """A file of the hub, for a path in the volume."""
        return Order(source, self._origin.endpoint, place, self._volume)

    async def fetch(self, order: Order, image: str, tell: Tell) -> None:
        """Return when the container that fetches it has ended well, or was ended by somebody.

        One that fetches the same file already is joined. Cancelling ends it; the part that came is
        gone on from. Raises Refused or Unreachable.
        """
        token = self._origin.token()
        if self._origin.image:
            image = await self._images.fetch(self._origin.image, tell)
        try:
            await self._begin(order, image, token)
            await self._follow(order, tell, has_token=bool(token))
        except asyncio.CancelledError:
            await self._api.remove(order.name)
            raise

    async def _begin(self, order: Order, image: str, token: str | None) -> None:
        labels = {ROLE: FETCH, "gantry.fetch": str(order.source)}
        mount = Mount("volume", self._volume, WEIGHTS)
        environment = dict(order.environment(token))
        for _ in range(_TRIES):
            try:
                await self._api.create_errand(
                    order.name, image, script(), environment, mounts=(mount,), labels=labels
                )
            except Answer as answer:
                if answer.status != CONFLICT:
                    raise refusal(f"{order.source} cannot be fetched", str(answer)) from answer
                if await self._failed_before(order):
                    await self._api.remove(order.name)
                    continue
            try:
                await self._api.start(order.name)
                return
            except Gone:
                await self._clock.sleep(_LOOK)  # the one that was there has just gone
            except Answer as answer:
                if answer.status == CONFLICT:  # or is just going
                    await self._clock.sleep(_LOOK)
                    continue
                await self._api.remove(order.name)
                if any(words in str(answer) for words in _NO_SHELL):
                    raise toolless("sh") from answer
                raise refusal(f"{order.source} cannot be fetched", str(answer)) from answer
        raise Unreachable(f"no container that fetches {order.source} comes about on that host")

    async def _failed_before(self, order: Order) -> bool:
        """Whether one is there that lingers with bad news of an earlier try, or ended so."""
        try:
            return (await self._news(order)).word == "failed"
        except Gone:
            return False

    async def _news(self, order: Order) -> Heard:
        """How far it is. Raises Gone for one that is just going, too."""
        try:
            return heard(await self._api.last_words(order.name, _LINES))
        except Answer as answer:
            if answer.status == CONFLICT:
                raise Gone(str(answer)) from answer
            raise

    async def _follow(self, order: Order, tell: Tell, *, has_token: bool) -> None:
        telling = _Telling(tell, self._clock, order)
        while True:
            try:
                news = await self._news(order)
                telling.hear(news)
                if news.word == "failed":
                    await self._api.remove(order.name)
                    raise failure(news, order, has_token=has_token)
                state = (await self._api.container(order.name))["State"]
                if news.word == "done" or not state["Running"]:
                    await self._api.remove(order.name)  # it goes by itself, but when is not known
                    return
            except Gone:
                return
            await self._clock.sleep(_LOOK)


class _Telling:
    """From what a container tells now and then to bytes and a rate."""

    def __init__(self, tell: Tell, clock: Clock, order: Order) -> None:
        self._tell, self._clock = tell, clock
        self._transfer: Transfer | None = None
        self._have, self._word = 0, ""
        tell(None, f"fetching {order.source}")

    def hear(self, news: Heard) -> None:
        if news.word == "checking" != self._word:
            self._tell(None, "checking what came")
        if news.word == "again" != self._word:
            self._tell(None, f"the connection broke; going on from {in_words(news.have or 0)}")
        self._word = news.word
        if news.have is None:
            return
        if self._transfer is None or news.have < self._have:
            self._transfer = Transfer(news.size, news.have, self._clock)
            self._have = news.have
        if told := self._transfer.received(news.have - self._have):
            self._tell(*told)
        self._have = news.have
