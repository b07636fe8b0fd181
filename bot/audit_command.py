"""`gantry audit`: proves the chain of records, and writes the records out.

Both work while the bot runs.
"""

from __future__ import annotations

import asyncio
import re
import sys
from collections.abc import AsyncGenerator, Callable, Coroutine
from contextlib import aclosing
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import click

from commands.words import DurationWord
from domain.audit import Record
from domain.chain import SHORT, Chain, Entry
from domain.errors import ConfigError, OpsError
from domain.subjects import glob
from fleet.store.database import sqlite_path
from fleet.store.reading import records_in, records_of
from ops_config.load import load

CONFIG = click.option(
    "--config",
    type=click.Path(path_type=Path),
    default=Path("gantry.yaml"),
    show_default=True,
    help="The configuration file.",
)


class Broken(OpsError):
    """The records are not what was written."""


@click.group()
def audit() -> None:
    """Prove or write out the record of everything that was asked of the bot."""


@audit.command()
@CONFIG
@click.option("--head", metavar="HASH", help="A hash kept elsewhere that the chain must have.")
@click.option(
    "--file",
    type=click.Path(path_type=Path),
    help="An export of all records, instead of the bot's state.",
)
def verify(config: Path, head: str | None, file: Path | None) -> None:
    """Follow the chain from its first record, and tell the first break."""
    if head is not None and not re.fullmatch(rf"[0-9a-f]{{{SHORT},64}}", head.lower()):
        raise click.BadParameter(f"is not {SHORT} to 64 hexadecimal digits", param_hint="--head")
    _run(_verify(config, head.lower() if head else None, file))


@audit.command()
@CONFIG
@click.option("--since", type=DurationWord(), metavar="7d", help="Not what was earlier.")
@click.option("--user", metavar="MXID", help="Whose; `*` stands for anything.")
@click.option("--target", metavar="T", help="Only what concerned this target.")
def export(config: Path, since: float | None, user: str | None, target: str | None) -> None:
    """Write records to standard output, one JSON object a line, oldest first."""
    after = datetime.now(UTC) - timedelta(seconds=since) if since else None

    def wanted(record: Record) -> bool:
        return (
            (after is None or record.at >= after)
            and (user is None or re.fullmatch(glob(user), record.mxid) is not None)
            and target in (None, *record.targets)
        )

    _run(_export(config, wanted))


async def _verify(config: Path, known: str | None, file: Path | None) -> None:
    chain = Chain(known)
    async with aclosing(_lines(file) if file else _kept(config)) as entries:
        async for entry in entries:
            if flaw := chain.follow(entry):
                raise Broken(flaw)
    if flaw := chain.end():
        raise Broken(flaw)
    count, newest = chain.head.sequence, chain.head.hash
    told = f"none changed, missing or out of order; the newest has the hash {newest}"
    click.echo(f"✓ records: {count}, {told}" if count else "✓ there are no records yet")


async def _export(config: Path, wanted: Callable[[Record], bool]) -> None:
    async with aclosing(_kept(config)) as entries:
        async for entry in entries:
            try:
                if wanted(entry.record):
                    click.echo(entry.line)
            except ValueError as error:
                raise Broken(f"record {entry.sequence} cannot be read: {error}") from error


async def _kept(config: Path) -> AsyncGenerator[Entry]:
    """The records in the bot's state. Raises ConfigError, or Unreachable for a database."""
    settings = load(config)
    if not settings.state.shared:
        async for entry in records_in(sqlite_path(settings.state.url)):
            yield entry
        return
    from bot.standby import looked_at

    store = await looked_at(settings)
    try:
        async for entry in records_of(store):
            yield entry
    finally:
        await store.aclose()


async def _lines(file: Path) -> AsyncGenerator[Entry]:
    """The records in an export. Raises ConfigError and Broken."""
    try:
        lines = file.open(encoding="utf-8", errors="replace")
    except OSError as error:
        raise ConfigError(f"{file} cannot be read: {error.strerror}") from error
    with lines:
        for number, line in enumerate(lines, 1):
            try:
                entry = Entry.of_line(line)
            except ValueError as error:
                raise Broken(f"line {number} of {file} is no record: {error}") from error
            yield entry


def _run(work: Coroutine[Any, Any, None]) -> None:
    """Do it, and leave with 1 for a break in the chain, 2 where it cannot be looked at."""
    try:
        asyncio.run(work)
    except OpsError as error:
        click.echo(f"✗ {error.summary}" + (f"\n  {error.hint}" if error.hint else ""), err=True)
        sys.exit(1 if isinstance(error, Broken) else 2)
