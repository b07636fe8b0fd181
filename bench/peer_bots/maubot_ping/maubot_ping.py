"""`!ping` on maubot, its own way: a plugin with one command. Runs in an environment of its own."""

from maubot import MessageEvent, Plugin
from maubot.handlers import command


class Ping(Plugin):
    """Answers with a reply."""

    @command.new("ping")
    async def ping(self, event: MessageEvent) -> None:
        """Say pong."""
        await event.reply("pong")
