"""The kinds of words verbs are made of, and what is said of one that is wrong. Pure."""

from __future__ import annotations

import re
from typing import Any

import click
from pydantic import TypeAdapter, ValidationError

from domain.services import MAX_REPLICAS, EnvName, Image, ServiceName, TargetName
from domain.sources import Source, parse_source

_UNITS = {"m": 60, "h": 3600, "d": 86400}
_NAME: TypeAdapter[str] = TypeAdapter(ServiceName)
_TARGET: TypeAdapter[str] = TypeAdapter(TargetName)
_IMAGE: TypeAdapter[str] = TypeAdapter(Image)
_ENV_NAME: TypeAdapter[str] = TypeAdapter(EnvName)


class NameWord(click.ParamType[str]):
    """A service's name."""

    name = "name"

    def convert(self, value: Any, param: Any, ctx: Any) -> str:
        """Take a DNS label of at most 40 characters."""
        try:
            return _NAME.validate_python(value)
        except ValidationError:
            self.fail(
                f"`{str(value)[:60]}` cannot be a service's name: use small letters, digits and "
                "dashes, a letter first, at most 40"
            )


class TargetWord(click.ParamType[str]):
    """A target's name."""

    name = "target"

    def convert(self, value: Any, param: Any, ctx: Any) -> str:
        """Take what can be a target's name."""
        if not _fits(_TARGET, str(value)):
            self.fail(f"`{str(value)[:60]}` cannot be a target's name; `!targets` lists them")
        return str(value)


class SourceWord(click.ParamType[Source]):
    """A model source."""

    name = "source"

    def convert(self, value: Any, param: Any, ctx: Any) -> Source:
        """Take whatever `parse_source` takes."""
        try:
            return value if isinstance(value, Source) else parse_source(value)
        except ValueError as error:
            self.fail(str(error))


class CountWord(click.ParamType[int]):
    """A number of replicas."""

    name = "count"

    def __init__(self, least: int) -> None:
        self.least = least

    def convert(self, value: Any, param: Any, ctx: Any) -> int:
        """Take a whole number within reason."""
        text = str(value)
        if not text.isascii() or not text.isdigit():
            self.fail(f"`{text[:40]}` is not a number of replicas")
        if len(text) > 9 or int(text) > MAX_REPLICAS:
            self.fail(f"{text[:20]} replicas are too many; at most {MAX_REPLICAS}")
        if int(text) < self.least:
            self.fail(f"{text} replicas run nothing; `!stop` is for that")
        return int(text)


class PlacementsWord(click.ParamType[tuple[tuple[str, int | None], ...]]):
    """`local` or `eu:2,us:1`."""

    name = "targets"

    def convert(self, value: Any, param: Any, ctx: Any) -> tuple[tuple[str, int | None], ...]:
        """Take targets with or without counts, each once."""
        if isinstance(value, tuple):
            return value
        found: dict[str, int | None] = {}
        for part in str(value).split(","):
            target, separator, count = part.partition(":")
            if target in found or not _fits(_TARGET, target):
                self.fail(
                    f"`{str(value)[:60]}` does not name targets; write `local` or `eu:2,us:1`"
                )
            found[target] = CountWord(0).convert(count, param, ctx) if separator else None
        return tuple(found.items())


class WholeWord(click.ParamType[int]):
    """A whole number within bounds."""

    name = "number"

    def __init__(self, least: int, most: int) -> None:
        self.least, self.most = least, most

    def convert(self, value: Any, param: Any, ctx: Any) -> int:
        """Take plain digits; click's own takes `1_000` and every script's digits."""
        text = str(value)
        digits = text.isascii() and text.isdigit() and len(text) <= 9
        if not digits or not self.least <= int(text) <= self.most:
            self.fail(f"`{text[:40]}` is not a whole number from {self.least} to {self.most}")
        return int(text)


class DurationWord(click.ParamType[float]):
    """`30m`, `2h` or `1d`, in seconds."""

    name = "duration"

    def convert(self, value: Any, param: Any, ctx: Any) -> float:
        """Take a whole number of minutes, hours or days, up to a year."""
        if isinstance(value, float):
            return value
        found = re.fullmatch(r"([1-9][0-9]{0,3})(m|h|d)", str(value))
        seconds = int(found[1]) * _UNITS[found[2]] if found else 0
        if not 0 < seconds <= 366 * 86400:
            self.fail(f"`{str(value)[:40]}` is no time; write `30m`, `2h` or `1d`, at most 366d")
        return float(seconds)


class PeriodWord(click.ParamType[float]):
    """`30s` or `2m`, in seconds."""

    name = "period"

    def __init__(self, most: float) -> None:
        self.most = most

    def convert(self, value: Any, param: Any, ctx: Any) -> float:
        """Take whole seconds or minutes, up to a bound of whole minutes."""
        if isinstance(value, float):
            return value
        found = re.fullmatch(r"([1-9][0-9]{0,3})(s|m)", str(value))
        seconds = int(found[1]) * (60 if found[2] == "m" else 1) if found else 0
        if not 0 < seconds <= self.most:
            most = f"{self.most / 60:.0f}m"
            self.fail(f"`{str(value)[:40]}` is no time; write `30s` or `2m`, at most {most}")
        return float(seconds)


class PartWord(click.ParamType[str]):
    """Text that is looked for."""

    name = "text"

    def convert(self, value: Any, param: Any, ctx: Any) -> str:
        """Take up to 200 characters, at least one of which is no blank."""
        text = str(value)
        if not text.strip() or len(text) > 200:
            self.fail(f"`{text[:40]}` is nothing to look for: 1 to 200 characters")
        return text


class TtlWord(DurationWord):
    """`30m`, `2h` or `1d` in seconds, or `none`, which is 0."""

    name = "ttl"

    def convert(self, value: Any, param: Any, ctx: Any) -> float:
        """Take a time, or `none`."""
        return 0.0 if value == "none" else super().convert(value, param, ctx)


class TemperatureWord(click.ParamType[float]):
    """0 to 2."""

    name = "temperature"

    def convert(self, value: Any, param: Any, ctx: Any) -> float:
        """Take plain decimals: no `nan`, no `1e0`."""
        text = str(value)
        if not re.fullmatch(r"[0-9](\.[0-9]{0,9})?|\.[0-9]{1,9}", text) or float(text) > 2:
            self.fail(f"`{text[:40]}` is not a temperature from 0 to 2")
        return float(text)


class GpuWord(click.ParamType[str | int]):
    """`auto`, `none` or a number."""

    name = "gpu"

    def convert(self, value: Any, param: Any, ctx: Any) -> str | int:
        """Take the three forms."""
        text = str(value)
        if text in ("auto", "none"):
            return text
        if not (text.isascii() and text.isdigit() and len(text) < 4 and 1 <= int(text) <= 64):
            self.fail(f"`{text[:40]}` is not `auto`, `none` or a number of GPUs from 1 to 64")
        return int(text)


class SettingWord(click.ParamType[tuple[str, str]]):
    """`key=value`."""

    name = "setting"

    def convert(self, value: Any, param: Any, ctx: Any) -> tuple[str, str]:
        """Split at the first equals sign."""
        if isinstance(value, tuple):
            return value
        key, separator, rest = str(value).partition("=")
        if not separator or not key or not rest:
            self.fail(f"`{str(value)[:60]}` is not of the form key=value")
        return key, rest


class EnvWord(click.ParamType[tuple[str, str]]):
    """`NAME=value`."""

    name = "variable"

    def convert(self, value: Any, param: Any, ctx: Any) -> tuple[str, str]:
        """Split at the first equals sign; the value may be empty."""
        if isinstance(value, tuple):
            return value
        name, separator, rest = str(value).partition("=")
        if not separator or not _fits(_ENV_NAME, name):
            self.fail(f"`{str(value)[:60]}` is not of the form NAME=value")
        return name, rest


class ImageWord(click.ParamType[str]):
    """`vllm/vllm-openai:v0.11.0`."""

    name = "image"

    def convert(self, value: Any, param: Any, ctx: Any) -> str:
        """Take what may be a reference; the engine says whether there is such an image."""
        if not _fits(_IMAGE, str(value)):
            self.fail(f"`{str(value)[:60]}` is no image; write `vllm/vllm-openai:v0.11.0`")
        return str(value)


def _fits(kind: TypeAdapter[str], text: str) -> bool:
    try:
        kind.validate_python(text)
    except ValidationError:
        return False
    return True
