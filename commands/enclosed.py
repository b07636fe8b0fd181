"""The picture or file that goes with a command: named in it, for whoever carries it out. Pure."""

from __future__ import annotations

import re

from commands.model_words import is_event_id

_FLAGS = {"infer": "--image", "batch": "--file"}
_ASKED = re.compile(rf"\s*({'|'.join(_FLAGS)})\s+\S+")
_NAMED = re.compile(rf"^ (?:{'|'.join(_FLAGS.values())}) \$\S+")


def enclosing(text: str, event_id: str) -> str:
    """A command that asks a model, with the message whose picture or file goes with it, if it can
    be one."""
    found = _ASKED.match(text) if is_event_id(event_id) else None
    return f"{found[0]} {_FLAGS[found[1]]} {event_id}{text[found.end() :]}" if found else text


def unenclosed(text: str) -> str:
    """The same command as people typed it."""
    found = _ASKED.match(text)
    return text[: found.end()] + _NAMED.sub("", text[found.end() :], 1) if found else text
