"""`!ping` on opsdroid, its own way: a skill. Runs in an environment of its own."""

from opsdroid.events import Reply
from opsdroid.matchers import match_regex
from opsdroid.skill import Skill


class Ping(Skill):
    """Answers with a reply."""

    @match_regex(r"^!ping$")
    async def ping(self, message) -> None:  # type: ignore[no-untyped-def]
        """Say pong."""
        await message.respond(Reply("pong", linked_event=message))
