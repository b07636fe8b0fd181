"""An engine on another host, by SSH: through a tunnel, or where that cannot be, call by call."""

from __future__ import annotations

import asyncio
import itertools
import secrets
import shutil
import tempfile
from contextlib import suppress
from pathlib import Path

from deployers.docker.ways import causes, far_side, keys, ping, ssh_sentences
from deployers.docker.ways.connection import Way
from deployers.docker.ways.dial_stdio import DialStdio, Lines
from deployers.docker.ways.far_side import FarSide
from deployers.docker.ways.master import Master
from deployers.docker.ways.openssh import SOCKET, Destination
from deployers.docker.ways.preflight import Preflight
from deployers.docker.ways.resolved import resolve
from deployers.docker.ways.tunnel import Forwarding, Tunnel
from domain.clock import Clock
from domain.errors import TargetError
from domain.replicas import Gpu

_BARRED = "open failed: administratively prohibited"
"""What sshd says of a port; what it says of a socket could be any other trouble, too."""
_PING_WITHIN = 5.0
_LOOK_WITHIN = 6.0
_CARDS_WITHIN = 5.0
_EXPLAIN_WITHIN = 12.0
_LONGEST_RUNTIME = 58
"""Bytes. A Unix socket's path may have about 104, and ssh adds 17 of its own while it makes one."""


class SshConnection:
    """One supervised connection that everything goes over."""

    def __init__(
        self, url: str, config: Path | None, runtime: Path, clock: Clock, listening: str
    ) -> None:
        self.address = url
        self._there = Destination.parse(url, config)
        self._listening, self._clock = listening, clock
        self._folder = _short(runtime) / f"ssh-{secrets.token_hex(6)}"
        self._numbers = itertools.count(1)
        self._tunnel = Tunnel(url, self._master(), clock, self._closer)
        self._preflight = Preflight(url, self._there)
        lines = Lines(self._tunnel.master, self._tunnel.up, self._master)
        dial = far_side.dial(self._there.socket)
        self._dial = DialStdio(self._folder / "dial.sock", dial, lines)
        self._engine = Forwarding(
            str(self._tunnel.master.folder / "docker.sock"), self._there.socket or SOCKET
        )
        self._ports: dict[int, Forwarding] = {}
        self._proven: tuple[int, Path] | None = None
        self._proving, self._leading = asyncio.Lock(), asyncio.Lock()

    async def open(self) -> Way:
        """The tunnel's end here, or that of `dial-stdio`; an engine has answered through it.

        Once per connection that is made: an engine that is down later is told by the call that
        fails. Raises Unreachable or Refused, within 1.5 s if the host was found to be down before.
        """
        self._make_folder()
        rise = await self._tunnel.up()
        async with self._proving:
            if self._proven is None or self._proven[0] != rise:
                self._proven = None
                self._proven = (rise, await self._prove())
            url = f"unix://{self._proven[1]}"
        return Way(url, environment={"DOCKER_HOST": url})

    async def reach(self, port: int) -> str:
        """A port of this machine that leads to it, the same one after a loss of the connection.

        An sshd that forbids that is noticed once somebody has tried to go there, and told then.
        """
        self._make_folder()
        async with self._leading:
            forwarding = self._ports.get(port) or Forwarding.of_port(self._listening, port)
            await self._tunnel.hold(forwarding)
            self._ports[port] = forwarding
        if _BARRED in self._tunnel.master.said:
            raise ssh_sentences.ports_barred(self.address)
        return f"http://{forwarding.local}"

    async def explain(self, error: Exception) -> TargetError:
        """Looks again at all of it: the connection, the host, the engine. See `open`."""
        self._proven = None
        try:
            async with asyncio.timeout(_EXPLAIN_WITHIN):
                await self.open()
        except TargetError as found:
            return found
        except TimeoutError:
            return causes.general(self.address, error)
        if any(isinstance(cause, TimeoutError) for cause in causes.under(error)):
            return causes.general(self.address, error)
        return ssh_sentences.back_again(self.address)

    async def cards(self) -> tuple[Gpu, ...] | None:
        """Asked over the connection that stands; where none does, or it cannot be asked so, in a
        login of its own. That takes each side a tenth of a second of a core, at each look."""
        try:
            async with asyncio.timeout(_CARDS_WITHIN):
                there = await self._asked(far_side.question_of_cards())
                return (there or await self._look()).gpus
        except (TargetError, TimeoutError):  # a wedged driver hangs `nvidia-smi` for good
            return None

    async def aclose(self) -> None:
        """End ssh and all that it carries."""
        await self._dial.aclose()
        await self._tunnel.aclose()
        shutil.rmtree(self._folder, ignore_errors=True)

    async def _prove(self) -> Path:
        """Find the way by which an engine answers."""
        tunnel, dial = Path(self._engine.local), self._dial.path
        if ping.answered(await self._through_tunnel()):
            return tunnel
        if problem := far_side.trouble(self.address, await self._look(), self._there.socket):
            raise problem
        if ping.answered(await self._through_tunnel()):  # it may just have been started
            return tunnel
        await self._dial.start()
        line = await self._ping(dial)
        if ping.answered(line):
            return dial
        if line:
            raise ssh_sentences.shell_talks(self.address, line)
        raise ssh_sentences.engine_mute(self.address)

    async def _through_tunnel(self) -> str:
        await self._tunnel.hold(self._engine)
        return await self._ping(Path(self._engine.local))

    async def _ping(self, path: Path) -> str:
        try:
            return await ping.first_line(path, _PING_WITHIN)
        except TimeoutError:
            raise ssh_sentences.engine_silent(self.address) from None

    async def _look(self) -> FarSide:
        """By paramiko; where OpenSSH gets further than it (hardware keys), by OpenSSH."""
        try:
            return await self._preflight.look()
        except TargetError:
            there = await self._asked(far_side.question(self._there.socket))
            if there is None:
                raise
            return there

    async def _asked(self, question: str) -> FarSide | None:
        """By OpenSSH, over the connection that stands. None where none does, or nobody there has
        a shell of the Unix kind."""
        master = self._tunnel.master
        return far_side.read(await master.run(question, _LOOK_WITHIN)) if master.alive else None

    async def _closer(self, found: TargetError) -> TargetError:
        """What OpenSSH leaves out: the key that an unknown host shows, and that a key of ours is
        locked or missing. Nobody logs in for either."""
        if found.summary == ssh_sentences.host_unknown(self.address).summary:
            try:
                await self._preflight.look()
            except TargetError as seen:
                return seen if seen.summary.startswith(found.summary) else found
        if found.summary == ssh_sentences.key_refused(self.address).summary:
            with suppress(TargetError):
                host = await asyncio.to_thread(resolve, self.address, self._there)
                return await asyncio.to_thread(keys.trouble, self.address, host) or found
        return found

    def _master(self) -> Master:
        folder = self._folder / str(next(self._numbers))
        return Master(self.address, self._there, folder, self._clock)

    def _make_folder(self) -> None:
        """For our eyes only: whoever may use what lies there is root on that host."""
        try:
            self._folder.parent.mkdir(parents=True, exist_ok=True)
            self._folder.mkdir(mode=0o700, exist_ok=True)
        except OSError as error:
            raise ssh_sentences.not_started(self.address, str(error)) from error


def _short(runtime: Path) -> Path:
    """Where paths are short enough for sockets."""
    short = len(str(runtime.absolute())) <= _LONGEST_RUNTIME
    return runtime.absolute() if short else Path(tempfile.gettempdir())
