"""What is too long for a message, as a file in the thread of that message."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from bot.matrix.api import MatrixApi
from bot.matrix.content import Content
from fleet.store.database import Store

ATTACHED = "gantry.attached"
"""The key under which a message that was not sent yet names the message it goes with."""

FILE_LIMIT = 5_000_000
"""Bytes of text in one file. What lies in the middle of more is left out, and the file says so."""

MIMETYPE = "text/plain"

JSON_LINES = ".jsonl"
"""How the name of a file ends that programs read: nothing is left out of it, and its secrets were
masked when it was made, since in the middle of a file that might break its lines."""

JSON_LINES_MIMETYPE = "application/jsonl"


def attachment(name: str, to: str) -> Content:
    """A message that is to offer a file, in the thread of the message of the key `to`."""
    return {
        "msgtype": "m.file",
        "body": name,
        "filename": name,
        "m.mentions": {},
        ATTACHED: to,
    }


def too_large(content: Content) -> Content:
    """What is said in place of a message the homeserver finds too large."""
    left_out = ("format", "formatted_body", "filename")
    kept = {key: content[key] for key in content if key not in left_out}
    if content["msgtype"] == "m.file":
        body = "The whole text is larger than what the homeserver takes."
        return {**kept, "msgtype": "m.notice", "body": body}
    return {**kept, "body": "This answer is too large for the homeserver."}


def cut(text: bytes) -> bytes:
    """The text, or its two ends where it is larger than a file may be."""
    left_out = len(text) - FILE_LIMIT
    if left_out <= 0:
        return text
    head = text[: FILE_LIMIT // 2].decode(errors="ignore")
    tail = text[-(FILE_LIMIT // 2) :].decode(errors="ignore")
    return f"{head}\n… {left_out} bytes left out …\n{tail}".encode()


class Attachments:
    """Makes messages that were kept with a text into messages that can be sent."""

    def __init__(self, api: MatrixApi, store: Store) -> None:
        self._api = api
        self._store = store
        self._uploaded: dict[str, dict[str, Any]] = {}

    async def ready(
        self, key: str, room: str, content: Content, said: Mapping[str, str]
    ) -> Content:
        """The message as it is to be sent, its file uploaded.

        `said` are the events of messages of which the store may not know yet. Uploads again for
        a room that came to be encrypted meanwhile. Raises as `MatrixApi.send`.
        """
        if ATTACHED not in content:
            return content
        file = await self._file(key, room) if content["msgtype"] == "m.file" else {}
        made = {**content, **file, **await self._relation(content[ATTACHED], said)}
        del made[ATTACHED]
        return made

    def forget(self, key: str) -> None:
        """It was said, or never will be."""
        self._uploaded.pop(key, None)

    async def _file(self, key: str, room: str) -> dict[str, Any]:
        encrypt = await self._api.is_encrypted(room)
        uploaded = self._uploaded.get(key)
        if uploaded is None or ("file" in uploaded) != encrypt:
            async with self._store.transaction() as tx:
                file = await tx.files.get(key)
            assert file is not None, "a file is kept together with its message"
            whole = file.name.endswith(JSON_LINES)
            data = file.text.encode() if whole else cut(file.text.encode())
            kind = JSON_LINES_MIMETYPE if whole else MIMETYPE
            uploaded = await self._api.upload(data, file.name, kind, encrypt=encrypt)
            self._uploaded[key] = uploaded
        return uploaded

    async def _relation(self, to: str, said: Mapping[str, str]) -> Content:
        """A thread on the message it goes with; nothing where the room never got that one."""
        async with self._store.transaction() as tx:
            message = await tx.messages.get(to)
        event_id = said.get(to) or (message and message.event_id)
        if message is None or event_id is None:
            return {}
        above = message.posted.get("m.relates_to", {})
        root = above["event_id"] if above.get("rel_type") == "m.thread" else event_id
        return {
            "m.relates_to": {
                "rel_type": "m.thread",
                "event_id": root,
                "is_falling_back": True,
                "m.in_reply_to": {"event_id": event_id},
            }
        }
