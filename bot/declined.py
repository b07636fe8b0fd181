"""Commands that are not even filed, and what is said of them. Pure."""

from __future__ import annotations

from dataclasses import dataclass

from bot.matrix.content import Content, notice
from bot.matrix.inbound import Message
from domain.secrets import kind_of_secret

_EXPOSED = (
    "it came unencrypted into an encrypted room, where anybody who runs a homeserver could have "
    "written it. Say it again with a client that encrypts."
)
_TELLS = (
    "it holds what looks like {kind}. Everybody in this room has it now, and so has the room's "
    "history: replace it, and put the new one into a file or an environment variable where it is "
    "needed. I remove such messages where I may; see that this one is gone."
)


@dataclass(frozen=True, slots=True)
class Declined:
    """A command that leaves no trace but an answer."""

    message: Message
    verb: str
    """What was asked for; `This` where that is, or may be, the secret."""
    secret: str | None
    """The kind of secret it holds, in words; None if it was declined for being exposed."""

    @property
    def key(self) -> str:
        """Names the answer."""
        return f"declined:{self.message.event_id}"

    @property
    def answer(self) -> Content:
        """Why it was not run, how things stand, what to do."""
        why = _TELLS.format(kind=self.secret) if self.secret else _EXPOSED
        return notice(f"✗ {self.verb} was not run: {why}", self.message.event_id)


def declined(message: Message, text: str, *, ours: bool) -> Declined | None:
    """Whether a command is declined; `text` is the command in the message, `ours` whether one of
    the bot's own secrets stands in it."""
    secret = "one of my own secrets" if ours else kind_of_secret(message.body)
    if not message.exposed and secret is None:
        return None
    verb = text.split(maxsplit=1)[0]
    return Declined(message, "This" if ours or kind_of_secret(verb) else verb[:40], secret)
