"""What is wrong with a configuration, in one line each, by path. Pure."""

from __future__ import annotations

import difflib
from collections.abc import Collection, Iterable
from typing import Any, get_args

from pydantic import BaseModel, ValidationError
from pydantic_core import ErrorDetails

PLANNED = frozenset({"services", "webhooks", "schedules"})
"""Sections of later releases: refused like any unknown key, but in kinder words."""


def explain(error: ValidationError, model: type[BaseModel]) -> list[str]:
    """A line for everything wrong: its path, what is wrong, the nearest right key."""
    return [_explain(each, model) for each in error.errors()]


def _explain(error: ErrorDetails, model: type[BaseModel]) -> str:
    path = ".".join(str(part) for part in error["loc"])
    if error["type"] == "extra_forbidden":
        return f"{path}: no such key{_nearest(error['loc'], model)}"
    if error["type"] == "missing":
        return f"{path}: is missing"
    message = error["msg"].removeprefix("Value error, ")
    given = error["input"]
    shown = f" (it is {given!r:.60})" if isinstance(given, str | int | float | bool) else ""
    return f"{path or 'it'}: {message[0].lower()}{message[1:]}{shown if path else ''}"


def _nearest(location: tuple[int | str, ...], model: type[BaseModel]) -> str:
    *parents, key = location
    if not parents and key in PLANNED:
        return "; it belongs to a later release"
    return nearest(str(key), sorted(_keys(model, parents)))


def nearest(word: str, known: Collection[str]) -> str:
    """What to say behind a word that is none: the nearest one, or all there are."""
    close = difflib.get_close_matches(word, known, n=1, cutoff=0.5)
    if close:
        return f"; did you mean `{close[0]}`?"
    return f"; there is {', '.join(known)}" if known else ""


def _keys(model: type[BaseModel], path: Iterable[int | str]) -> set[str]:
    """The keys a place in the file may have, found by walking the models down to it."""
    for part in path:
        field = model.model_fields.get(str(part))
        if field is None:
            continue
        models = list(_models(field.annotation))
        if len(models) != 1:
            return set()
        model = models[0]
    return set(model.model_fields)


def _models(annotation: Any) -> Iterable[type[BaseModel]]:
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        return [annotation]
    return [model for inner in get_args(annotation) for model in _models(inner)]
