"""A Matrix client that shares no code with the bot: matrix-js-sdk in a process of its own."""

from __future__ import annotations

import asyncio
import base64
import itertools
import json
import tempfile
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager
from typing import IO, Any

from bot.demo.homeserver import Account

from .node_modules import CLIENT
from .seen import Seen, Trust

_LONGEST_ANSWER = 2**24
_PATIENCE = 30.0
_FAREWELL = 5.0


class JsError(AssertionError):
    """A request failed, or the client is gone; with the last lines of its log."""


class JsClient:
    """One running client. Requests may overlap; each is bounded."""

    def __init__(self, process: asyncio.subprocess.Process, log: IO[bytes]) -> None:
        self.user_id = ""
        self.device_id = ""
        self._process = process
        self._log = log
        self._numbers = itertools.count(1)
        self._waiting: dict[int, asyncio.Future[Any]] = {}

    @classmethod
    @asynccontextmanager
    async def start(cls) -> AsyncIterator[JsClient]:
        """Run a client until the block ends. It also ends by itself when this process does."""
        with tempfile.TemporaryFile("a+b") as log:
            process = await asyncio.create_subprocess_exec(
                "node",
                "client.mjs",
                cwd=CLIENT,
                stdin=asyncio.subprocess.PIPE,
                stdout=asyncio.subprocess.PIPE,
                stderr=log,
                limit=_LONGEST_ANSWER,
                start_new_session=True,
            )
            client = cls(process, log)
            reader = asyncio.create_task(client._read(), name="answers of the js client")
            try:
                yield client
            finally:
                await client._end()
                await reader

    async def login(self, url: str, account: Account) -> None:
        """Log in and read along from then on, with a device signed by its owner."""
        self.user_id, self.device_id = account.user_id, account.device_id
        await self.ask(
            "login",
            url=url,
            userId=account.user_id,
            deviceId=account.device_id,
            accessToken=account.access_token,
            password=account.password,
        )

    @asynccontextmanager
    async def excluding_insecure_devices(self) -> AsyncIterator[None]:
        """Share keys with signed devices only, and believe only them, until the block ends."""
        await self.ask("excludeInsecureDevices", on=True)
        try:
            yield
        finally:
            await self.ask("excludeInsecureDevices", on=False)

    async def create_room(
        self, *invited: str, alias: str = "", encrypted: bool = True, **more: Any
    ) -> str:
        """Make a room and ask others in; `more` in the words of Matrix. Returns its id."""
        made = {"alias": alias or None, "encrypted": encrypted, **more}
        return str(await self.ask("createRoom", invite=invited, **made))

    async def upgrade(self, room: str, version: str) -> str:
        """Have a room go on as one of another version. Returns the id of that one."""
        return str(await self.ask("upgrade", room=room, version=version))

    async def invite(self, room: str, user_id: str) -> None:
        """Ask somebody in."""
        await self.ask("invite", room=room, user=user_id)

    async def empower(self, room: str, users: Mapping[str, int]) -> None:
        """Say who has what power."""
        await self.ask("empower", room=room, users={self.user_id: 100, **users})

    async def join(self, room: str) -> None:
        """Accept an invitation."""
        await self.ask("join", room=room)

    async def send(self, room: str, text: str, *, thread: str = "", reply_to: str = "") -> str:
        """Say something. Returns the event id, as do the next four."""
        return str(
            await self.ask("send", room=room, text=text, threadRoot=thread, replyTo=reply_to)
        )

    async def edit(self, room: str, event_id: str, text: str) -> str:
        """Say something else instead."""
        return str(await self.ask("edit", room=room, event=event_id, text=text))

    async def react(self, room: str, event_id: str, key: str) -> str:
        """Put an emoji under a message."""
        return str(await self.ask("react", room=room, event=event_id, key=key))

    async def redact(self, room: str, event_id: str) -> str:
        """Take an event back."""
        return str(await self.ask("redact", room=room, event=event_id))

    async def send_image(self, room: str, png: bytes) -> str:
        """Send an encrypted picture."""
        encoded = base64.b64encode(png).decode()
        return str(await self.ask("sendImage", room=room, pngBase64=encoded))

    async def download(self, room: str, event_id: str) -> bytes:
        """Fetch and decrypt a file that somebody sent. JsError where it is not what was meant."""
        return base64.b64decode(await self.ask("download", room=room, event=event_id))

    async def events(self, room: str, since: str = "") -> list[Seen]:
        """The timeline, oldest first; with `since`, what came after that event."""
        return [Seen.parse(event) for event in await self.ask("events", room=room, since=since)]

    async def wait_for(
        self,
        room: str,
        *,
        event_id: str = "",
        relates_to: str = "",
        rel_type: str = "",
        sender: str = "",
        text: str = "",
        readable: bool = True,
        seconds: float = 20,
    ) -> Seen:
        """The newest event that is all of what is named, once it is decrypted.

        A reply relates to what it answers, `text` is part of the body, and with `readable=False`
        an event that cannot be decrypted will do.
        """
        answer = await self.ask(
            "waitFor",
            patience=seconds + _PATIENCE,
            timeout=seconds,
            room=room,
            eventId=event_id,
            relatesTo=relates_to,
            relType=rel_type,
            sender=sender,
            text=text,
            readable=readable,
        )
        return Seen.parse(answer)

    async def until(self, room: str, reached: Callable[[Seen], bool], seconds: float = 20) -> Seen:
        """Read along until an event is as wanted. Returns the newest such."""
        events: list[Seen] = []
        try:
            async with asyncio.timeout(seconds):
                while True:
                    events = await self.events(room)
                    for event in reversed(events):
                        if reached(event):
                            return event
                    await asyncio.sleep(0.1)
        except TimeoutError:
            last = "\n  ".join(map(str, events[-5:]))
            raise JsError(f"waited {seconds:.0f} s; the last events are\n  {last}") from None

    async def device_trust(self, user_id: str, device_id: str) -> Trust:
        """What this client would tell a person about a device."""
        answer = await self.ask("deviceTrust", userId=user_id, deviceId=device_id)
        return Trust.parse(answer)

    async def ask(self, op: str, patience: float = _PATIENCE, **request: Any) -> Any:
        """One request in the words of `client.mjs`. Raises JsError."""
        number = next(self._numbers)
        answer = self._waiting[number] = asyncio.get_running_loop().create_future()
        line = json.dumps({"id": number, "op": op, **request}) + "\n"
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        try:
            async with asyncio.timeout(patience):
                if self._process.stdout.at_eof():
                    raise ConnectionResetError
                self._process.stdin.write(line.encode())
                await self._process.stdin.drain()
                message = await answer
        except TimeoutError:
            raise JsError(self._with_log(f"{op}: no answer within {patience:.0f} s")) from None
        except ConnectionError:
            raise JsError(self._with_log(f"{op}: the client is gone")) from None
        finally:
            del self._waiting[number]
        if not message["ok"]:
            raise JsError(self._with_log(f"{op}: {message['error']}"))
        return message["result"]

    async def _read(self) -> None:
        """Hand each answer to whoever waits for it, until there are no more."""
        assert self._process.stdout is not None
        async for line in self._process.stdout:
            message = json.loads(line)
            answer = self._waiting.get(message["id"])
            if answer is not None and not answer.done():
                answer.set_result(message)
        for answer in self._waiting.values():
            if not answer.done():
                answer.set_exception(ConnectionError())

    async def _end(self) -> None:
        """Close its input, which ends it, and insist after a while."""
        assert self._process.stdin is not None
        self._process.stdin.close()
        try:
            async with asyncio.timeout(_FAREWELL):
                await self._process.wait()
        except TimeoutError:
            self._process.kill()
        finally:
            if self._process.returncode is None:
                self._process.kill()
            await self._process.wait()

    def _with_log(self, what: str) -> str:
        self._log.seek(0)
        last = self._log.read().decode(errors="replace").splitlines()[-15:]
        return "\n  ".join([what, *last])
