"""What a request would touch, and whether that would be let through, without doing it."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from typing import Protocol, TypeVar

from commands.access import Permit
from commands.verb import Deps, Weigh
from domain.services import ServiceSpec


class Proposed(Protocol):
    """What a request comes to, as far as it has to be weighed."""

    @property
    def service(self) -> str:
        """The service it concerns."""
        ...

    @property
    def decide(self) -> Callable[[ServiceSpec | None], ServiceSpec]:
        """What runs now -> what should. Raises NotPermitted."""
        ...


R = TypeVar("R")


def weighed(propose: Callable[[R, Permit, Deps], Awaitable[Proposed]]) -> Weigh[R]:
    """A weighing of the changes that a function proposes: it decides, and leaves it at that.

    What is decided is weighed as it is for the change itself, since it is the same deciding.
    """

    async def weigh(
        request: R, permit: Permit, deps: Deps
    ) -> tuple[Sequence[str], ServiceSpec | None]:
        change = await propose(request, permit, deps)
        async with deps.store.transaction() as tx:
            found = await tx.services.get(change.service)
        before = found.spec if found else None
        want = change.decide(before)
        return touched(before, want), want

    return weigh


def touched(*specs: ServiceSpec | None) -> tuple[str, ...]:
    """Every target that these have to do with, each once."""
    targets = [place.target for spec in specs if spec for place in spec.placements]
    return tuple(dict.fromkeys(targets))
