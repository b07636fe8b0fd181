"""`gantry demo`: what is asked for on the command line, and how it ends."""

from __future__ import annotations

import asyncio
import logging
import signal
import sys
from collections.abc import Callable
from contextlib import ExitStack, aclosing, nullcontext
from dataclasses import dataclass
from pathlib import Path

import click
import structlog

from bot.demo.chat import Chat
from bot.demo.children import Children
from bot.demo.keyboard import at_terminal, key_by_key, plain_lines, terminal_size, typed_lines
from bot.demo.printers import JsonLines, Live, Plain, Printer
from bot.demo.saying import say_all
from bot.demo.scene import Scene, open_scene
from bot.demo.screen import Screen
from bot.demo.state import demo_state
from domain.errors import OpsError, Refused

_WELCOME = """
{alias} is open. Type here, or join it with Element or any
other Matrix client on this machine:
    homeserver  {homeserver}
    user        you
    password    {password}
    room        {alias}
{privacy}
Try   !help   or   !deploy tiny tiny://ops   and then   !infer tiny hello
Ctrl-D ends it and leaves nothing running; the next demo goes on from here.
"""
_ENCRYPTED = """The room is end-to-end encrypted: what was said before another client has
logged in cannot be read there, for it was not given the keys."""
_PLAIN = "The room is not encrypted."


@dataclass(frozen=True, slots=True)
class Asked:
    """What was asked for on the command line."""

    state: Path
    fresh: bool
    plain: bool
    say: tuple[str, ...]
    as_json: bool
    patience: float
    synapse: Path


@click.command()
@click.option(
    "--state",
    type=click.Path(file_okay=False, path_type=Path),
    default=".gantry-demo",
    show_default=True,
    help="Where the demo keeps all it has: the next one goes on from there.",
)
@click.option("--fresh", is_flag=True, help="Forget the demo of last time.")
@click.option(
    "--plain", is_flag=True, help="Make a room without encryption. One that is there stays as is."
)
@click.option("--say", multiple=True, metavar="TEXT", help="Say this, wait for its end, leave.")
@click.option("--json", "as_json", is_flag=True, help="Show the room as one JSON object an event.")
@click.option(
    "--patience",
    type=click.FloatRange(min=0, min_open=True),
    default=600.0,
    show_default=True,
    metavar="SECONDS",
    help="How long to wait for an answer while nothing happens in the room.",
)
@click.option(
    "--synapse-python",
    "synapse",
    type=click.Path(dir_okay=False, path_type=Path),
    envvar="GANTRY_SYNAPSE_PYTHON",
    show_envvar=True,
    help="A Python that has Synapse; script/demo installs one.",
)
def demo(
    state: Path,
    fresh: bool,
    plain: bool,
    say: tuple[str, ...],
    as_json: bool,
    patience: float,
    synapse: Path | None,
) -> None:
    """Try Gantry in a room of its own: a homeserver and the bot, on this machine alone.

    With --say it exits with 0 only if everything said succeeded.
    """
    if any(not line.strip() for line in say):
        raise click.UsageError("--say needs something to say, as in --say '!help'")
    _hush()
    try:
        asked = Asked(state.resolve(), fresh, plain, say, as_json, patience, _synapse(synapse))
        succeeded = asyncio.run(_demo(asked))
    except OpsError as error:
        _tell(f"✗ {error.summary}" + (f"\n  {error.hint}" if error.hint else ""))
        succeeded = False
    sys.exit(0 if succeeded else 1)


def _synapse(named: Path | None) -> Path:
    """A Python that has Synapse: the one named, or the one script/demo installs."""
    here = Path(__file__).resolve().parents[2]
    python = named or here / ".venv-synapse" / "bin" / "python"
    if not python.is_file():
        raise Refused(
            f"there is no {python} to run a homeserver with",
            hint="script/demo installs one and starts the demo with it",
        )
    return python.absolute()


async def _demo(asked: Asked) -> bool:
    """The whole demo. True if it ended well, or a person ended it."""
    children = Children()
    leave = _leave_on_signals(children)
    try:
        async with demo_state(asked.state, fresh=asked.fresh) as folder:
            try:
                scene_of = open_scene(folder, asked.synapse, children, _tell, plain=asked.plain)
                async with scene_of as scene:
                    _tell("" if asked.say else _welcome(scene))
                    try:
                        return await _played(scene, asked)
                    finally:
                        leave()
                        _tell("\nStopping ...")
            except OpsError as error:
                again = "script/demo --fresh starts over"
                raise OpsError(error.summary, hint=error.hint or again) from error
    except asyncio.CancelledError:
        return not asked.say


def _leave_on_signals(children: Children) -> Callable[[], None]:
    """Let the first signal end the demo in good order, and each further one hurry that.

    What is returned is to be called once the demo is ending anyway.
    """
    loop, task = asyncio.get_running_loop(), asyncio.current_task()
    leaving = asyncio.Event()

    def interrupted() -> None:
        if leaving.is_set():
            children.hurry()
        elif task is not None:
            leaving.set()
            task.cancel()

    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        loop.add_signal_handler(number, interrupted)
    return leaving.set


async def _played(scene: Scene, asked: Asked) -> bool:
    """Talk until there is nothing more to say. Raises OpsError if what one talks to goes away."""
    talk = asyncio.create_task(_talk(scene, asked), name="talk")
    collapse = asyncio.create_task(scene.collapsed(), name="collapse")
    try:
        await asyncio.wait({talk, collapse}, return_when=asyncio.FIRST_COMPLETED)
        if talk.done():
            return talk.result()
        raise collapse.result()
    finally:
        for task in (talk, collapse):
            task.cancel()
        await asyncio.gather(talk, collapse, return_exceptions=True)


async def _talk(scene: Scene, asked: Asked) -> bool:
    screen = Screen(_write, terminal_size) if at_terminal() and not asked.as_json else None
    printer = _printer(screen, as_json=asked.as_json)

    def complain(text: str) -> None:
        with screen.aside() if screen else nullcontext():
            _tell(f"✗ {text}")

    with ExitStack() as stack:
        stack.callback(printer.close)
        if asked.say:
            return await say_all(scene, asked.say, printer, complain, asked.patience)
        if screen is not None:
            stack.enter_context(key_by_key())
        lines = typed_lines(screen) if screen else plain_lines()
        async with aclosing(lines):
            await Chat(scene, printer, complain).run(lines, None if screen else asked.patience)
        return True


def _printer(screen: Screen | None, *, as_json: bool) -> Printer:
    if as_json:
        return JsonLines(_write)
    return Live(screen) if screen else Plain(_write)


def _welcome(scene: Scene) -> str:
    homeserver = f"http://localhost:{scene.homeserver.port}"
    return _WELCOME.format(
        alias=scene.alias,
        homeserver=homeserver,
        password=scene.you.password,
        privacy=_ENCRYPTED if scene.encrypted else _PLAIN,
    )


def _hush() -> None:
    """Keep libraries' talk off the terminal: what matters of it, the room shows."""
    logging.getLogger("nio").addHandler(logging.NullHandler())
    structlog.configure(
        wrapper_class=structlog.make_filtering_bound_logger(logging.CRITICAL),
        logger_factory=structlog.PrintLoggerFactory(sys.stderr),
    )


def _write(text: str) -> None:
    sys.stdout.write(text)
    sys.stdout.flush()


def _tell(text: str) -> None:
    click.echo(text, err=True)
