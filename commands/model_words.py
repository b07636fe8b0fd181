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


class ModelWord(click.ParamType[str]):
    """`tiny`, `@chat` for a route, or `studio/small` for a model inside a backend."""

    name = "model"

    def convert(self, value: Any, param: Any, ctx: Any) -> str:
        """Take a name of each kind. No two things go by one name, so `@` is only for people."""
        text = str(value).removeprefix("@")
        name, slash, inside = text.partition("/")
        if not _is_name(name) or (slash and not _INSIDE.fullmatch(inside)):
            self.fail(
                f"`{str(value)[:60]}` cannot be a service, backend or route: use small letters, "
                "digits and dashes, a letter first, at most 40"
            )
        return text


def _is_name(text: str) -> bool:
    try:
        _NAME.validate_python(text)
    except ValidationError:
        return False
    return True
