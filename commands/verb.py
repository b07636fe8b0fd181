"""What a verb is: its words, its help, the request it makes and who handles that."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Generic, Protocol, TypeVar

import click

from commands.access import Permit
from commands.conversation import Conversations
from commands.courier import Courier, NoCourier
from commands.pictures import Gallery, NoGallery
from commands.replies import Block, Reply
from commands.rooms import RoomBook
from domain.clock import Clock
from domain.operations import Operation
from domain.people import Role
from domain.progress import Report
from domain.services import ServiceSpec
from fleet.cancellations import Cancellations
from fleet.decisions import Decisions
from fleet.fleet import Fleet
from fleet.store.database import Store
from inference.asking import Models
from inference.keyring import Keyring
from inference.readings import Figures, unmeasured
from inference.traffic import Traffic, nothing


class Voice(Protocol):
    """Tells the room something about an operation beside its outcome."""

    async def say(
        self, about: Operation, part: str, blocks: Sequence[Block], mention: Sequence[str] = ()
    ) -> None:
        """Have the room see this as that part; said again, the same message says it."""
        ...


@dataclass(frozen=True, slots=True)
class Deps:
    """The collaborators every handler may call on."""

    fleet: Fleet
    models: Models
    store: Store
    cancellations: Cancellations
    decisions: Decisions
    voice: Voice
    rooms: RoomBook
    clock: Clock
    started_at: datetime
    version: str
    prefix: str
    conversations: Conversations = field(default_factory=Conversations)
    masked: Callable[[str], str] = str
    """What is kept passes it: a text without the secrets in it."""
    keyring: Keyring = field(default_factory=Keyring)
    courier: Courier = field(default_factory=NoCourier)
    measured: Callable[[str], Awaitable[Figures]] = unmeasured
    """What was measured of a service lately."""
    lately: Callable[[str], Traffic | None] = nothing
    """What was asked of a service or a backend in the last minute."""
    gallery: Gallery = field(default_factory=NoGallery)


R = TypeVar("R")

Handler = Callable[[R, Permit, Deps, Report], Awaitable[Reply]]

Weigh = Callable[[R, Permit, Deps], Awaitable[tuple[Sequence[str], ServiceSpec | None]]]
"""The targets that a request would act on, and the service as it would be; None when it is not
about one. Raises NotPermitted, and does nothing."""


@dataclass(frozen=True)
class Verb(Generic[R]):
    """One thing people can say."""

    name: str
    summary: str
    """One line for `!help`."""
    examples: tuple[str, ...]
    """Without the prefix; the first is shown with every usage error."""
    request: Callable[..., R]
    """Makes the request from the parsed words."""
    handle: Handler[R]
    role: Role
    params: tuple[click.Parameter, ...] = ()
    changes: bool = False
    """True when it changes what runs: then it is listed by `!ops`."""
    acts: bool = False
    """True when it has effect without changing what runs, as a lock has: then the audit shows
    it too."""
    lasts: bool = False
    """True when it goes on for long and sees to its own end, however it is ended: then no
    shutdown waits for it, and the next run of the bot goes on with it."""
    binds: bool = False
    """True when it changes what others may do, or what becomes of what runs."""
    prose: str | None = None
    """The field that takes the rest of the message as it was typed."""
    hidden: bool = False
    notes: tuple[str, ...] = ()
    """More for `!help VERB`."""
    weigh: Weigh[R] | None = None
    """What tells whether it would be let through; None when the role alone decides that."""
    command: click.Command = field(init=False)

    def __post_init__(self) -> None:
        command = click.Command(self.name, params=list(self.params), add_help_option=False)
        object.__setattr__(self, "command", command)

    @property
    def usage(self) -> str:
        """`deploy NAME [SOURCE] [--replicas N]`."""
        words = [self.name, *(_word(param) for param in self.params)]
        if self.prose:
            words.append(self.prose.upper())
        return " ".join(words)

    @property
    def short_usage(self) -> str:
        """`deploy NAME [SOURCE] ...`: the options are for `!help deploy`."""
        words = [_word(param) for param in self.params if isinstance(param, click.Argument)]
        options = len(words) < len(self.params)
        prose = [self.prose.upper()] if self.prose else []
        return " ".join([self.name, *words, *(["..."] if options else []), *prose])


AnyVerb = Verb[Any]


def argument(name: str, kind: click.ParamType[Any], *, required: bool = True) -> click.Argument:
    """A word by position."""
    return click.Argument([name], type=kind, required=required, metavar=name.upper())


def option(
    flag: str, kind: click.ParamType[Any], metavar: str, text: str, *, multiple: bool = False
) -> click.Option:
    """A word by name; None when it is not said."""
    return click.Option([flag], type=kind, metavar=metavar, help=text, multiple=multiple)


ENVIRONMENT = option(
    "--environment", click.STRING, "NAME", "act in another environment than the room's"
)
"""What every verb takes that acts on targets; it counts where a role allows it."""

PLAN = click.Option(["--plan"], is_flag=True, help="tell what would be done, and do nothing")
"""What every verb takes that changes something."""


def spelled(option: click.Option) -> str:
    """`--ctx TOKENS`, or `--plan`."""
    return option.opts[0] if option.is_flag else f"{option.opts[0]} {option.metavar}"


def _word(param: click.Parameter) -> str:
    if isinstance(param, click.Option):
        return f"[{spelled(param)}]"
    return str(param.metavar) if param.required else f"[{param.metavar}]"
