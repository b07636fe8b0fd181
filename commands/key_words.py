"""The kinds of words that keys are made of, and what is said of one that is wrong. Pure."""

from __future__ import annotations

from typing import Any

import click

from domain.quotas import Quota, read_pattern, read_quota


class PatternsWord(click.ParamType[tuple[str, ...]]):
    """`qwen` or `qwen,big-*`."""

    name = "models"

    def convert(self, value: Any, param: Any, ctx: Any) -> tuple[str, ...]:
        """Take patterns, each once."""
        if isinstance(value, tuple):
            return value
        try:
            return tuple(dict.fromkeys(map(read_pattern, str(value).split(","))))
        except ValueError as error:
            self.fail(str(error))


class QuotaWord(click.ParamType[Quota]):
    """`requests=1000/day`."""

    name = "quota"

    def convert(self, value: Any, param: Any, ctx: Any) -> Quota:
        """Take whatever `read_quota` takes."""
        try:
            return value if isinstance(value, Quota) else read_quota(str(value))
        except ValueError as error:
            self.fail(str(error))
