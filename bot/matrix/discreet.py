"""Masks the words of an event, and leaves alone what only addresses something. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from bot.discretion import Discretion
from bot.matrix.content import OPERATION

_ADDRESSES = {
    *("msgtype", "format", "url", "file", "info"),
    *("m.relates_to", "m.mentions", OPERATION),
}
"""Ids, locations and the keys of encrypted files: masked, they would lead nowhere."""


def discreet(content: Mapping[str, Any], discretion: Discretion) -> dict[str, Any]:
    """The content with every word in it masked, `m.new_content` and what is nested included."""
    return {key: _word(key, value, discretion) for key, value in content.items()}


def discreet_file(data: bytes, mimetype: str, discretion: Discretion) -> bytes:
    """A file of text, masked; another one as it is."""
    if not (mimetype.startswith("text/") or mimetype.endswith("json")):
        return data
    return discretion.masked(data.decode(errors="replace")).encode()


def logged(value: Any, discretion: Discretion) -> Any:
    """A value on its way into a log, masked; what is no plain data as its `repr`."""
    match value:
        case None | bool() | int() | float():
            return value
        case str():
            return discretion.masked(value)
        case Mapping():
            return {
                discretion.masked(str(key)): logged(each, discretion) for key, each in value.items()
            }
        case list() | tuple() | set() | frozenset():
            return [logged(each, discretion) for each in value]
        case _:
            return discretion.masked(repr(value))


def _word(key: str, value: Any, discretion: Discretion) -> Any:
    if key in _ADDRESSES:
        return value
    if key == "formatted_body":
        return discretion.masked_html(str(value))
    match value:
        case str():
            return discretion.masked(value)
        case Mapping():
            return discreet(value, discretion)
        case list():
            return [_word(key, each, discretion) for each in value]
    return value
