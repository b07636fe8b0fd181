"""The word that says who is asked, and what is said of one that is wrong. Pure."""

from __future__ import annotations

import re
from typing import Any

import click
from pydantic import TypeAdapter, ValidationError

from domain.services import ServiceName

_NAME: TypeAdapter[str] = TypeAdapter(ServiceName)
_INSIDE = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.:/@-]{0,127}")
"""What the configuration lets a backend call its models, too."""


_EVENT = re.compile(r"\$[A-Za-z0-9_.:/+=-]{1,254}")

_NO_NAME = (
    "`{}` cannot be a service, backend or route: use small letters, digits and dashes, "
    "a letter first, at most 40"
)

MOST = 4
"""Who can be asked side by side: more is nothing that one reads."""


class EventWord(click.ParamType[str]):
    """`$a-message-of-this-room`."""

    name = "event"

    def convert(self, value: Any, param: Any, ctx: Any) -> str:
        """Take what can be an event's id (Matrix specification, appendix on identifiers)."""
        if not is_event_id(str(value)):
            self.fail(f"`{str(value)[:60]}` is no message; its id begins with `$`")
        return str(value)


class StandingWord(click.ParamType[str]):
    """`tiny`, `studio`, or `@chat` for a route: who can be asked how he stands."""

    name = "model"

    def convert(self, value: Any, param: Any, ctx: Any) -> str:
        """Take a name of each kind. No two things go by one name, so `@` is only for people."""
        name = str(value).removeprefix("@")
        if not _is_name(name):
            self.fail(_NO_NAME.format(name[:60]))
        return name


class ModelsWord(click.ParamType[str]):
    """`tiny`, `@chat` for a route, `studio/small` for a model inside a backend; `tiny,big` for
    several."""

    name = "models"

    def convert(self, value: Any, param: Any, ctx: Any) -> str:
        """Take names of each kind, each once. No two things go by one name, so `@` is only for
        people."""
        names = dict.fromkeys(part.removeprefix("@") for part in str(value).split(","))
        for name in names:
            if not _can_be_asked(name):
                self.fail(_NO_NAME.format(name[:60]))
        if len(names) > MOST:
            self.fail(f"{len(names)} are too many to read side by side; at most {MOST}")
        return ",".join(names)


class ModelWord(ModelsWord):
    """One of them."""

    name = "model"

    def convert(self, value: Any, param: Any, ctx: Any) -> str:
        """Take one name."""
        if "," in str(value):
            self.fail("only one can be asked; a route may lead to several")
        return super().convert(value, param, ctx)


def is_event_id(text: str) -> bool:
    """Whether a message could go by it, and it is one word."""
    return _EVENT.fullmatch(text) is not None


def _can_be_asked(text: str) -> bool:
    name, slash, inside = text.partition("/")
    return _is_name(name) and (not slash or _INSIDE.fullmatch(inside) is not None)


def _is_name(text: str) -> bool:
    try:
        _NAME.validate_python(text)
    except ValidationError:
        return False
    return True
