"""`!ping` on simplematrixbotlib, its own way. Runs in an environment of its own.

All is as the library has it: its login, its sync filter, its sending.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path

import simplematrixbotlib as botlib


def run(told: dict[str, str]) -> None:
    """Answer until killed."""
    creds = botlib.Creds(
        told["homeserver"], told["user_id"], told["password"], session_stored_file=told["session"]
    )
    config = botlib.Config()
    config.encryption_enabled = bool(told["sealed"])
    config.store_path = told["store"]
    bot = botlib.Bot(creds, config)

    @bot.listener.on_message_event
    async def ping(room, message) -> None:  # type: ignore[no-untyped-def]
        match = botlib.MessageMatch(room, message, bot, "!")
        if match.is_not_from_this_bot() and match.prefix() and match.command("ping"):
            await bot.api.send_text_message(room.room_id, "pong", reply_to=message.event_id)

    bot.run()


if __name__ == "__main__":
    run(json.loads(Path(sys.argv[1]).read_text()))
