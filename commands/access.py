"""Request + policy -> permit, or a refusal that says what is missing. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field, replace
from typing import Final

from commands import refusals
from domain.access import Environment, Policy
from domain.errors import NotPermitted
from domain.operations import Operation
from domain.people import Person, Role
from domain.rules import NamedRole, Rule
from domain.services import ServiceSpec

_SEAL: Final = object()


@dataclass(frozen=True, slots=True)
class Permit:
    """Leave to carry out one operation. Only this module makes one."""

    person: Person
    role: Role
    environment: Environment | None
    """What is acted on: the room's, unless another one was asked for."""
    operation: Operation
    seal: object
    room_name: str = ""
    """What people call the room; "" when it has no name."""
    named: tuple[NamedRole, ...] = ()
    """The named roles the person is in."""
    command: str = ""
    """What the leave is for; "" is granted by no named role."""
    needs: Role = Role.VIEWER
    """The built-in role that is enough for it in the room's own environment."""
    policy: Policy = field(default_factory=lambda: Policy({}))
    own: bool = False
    """True for the bot's own operations."""

    def __post_init__(self) -> None:
        if self.seal is not _SEAL:
            raise TypeError("only commands.access makes permits")

    @property
    def place(self) -> Environment:
        """The environment changes are made in. Raises NotPermitted in a room that has none."""
        if self.environment is None:
            raise NotPermitted(
                "this room is bound to no environment, so nothing can be changed from here",
                hint="add it under `rooms` in the configuration",
            )
        return self.environment

    @property
    def at_home(self) -> bool:
        """Whether it is the room's own environment that is acted on."""
        return self.environment == self.policy.environment(self.person.room)

    @property
    def enough(self) -> bool:
        """Whether the built-in role is enough, whatever it is about. To change something in
        another environment than the room's takes an admin."""
        looking = self.needs <= Role.VIEWER
        return self.role >= (self.needs if looking or self.at_home else Role.ADMIN)

    @property
    def rules(self) -> Iterator[tuple[NamedRole, Rule]]:
        """What the person's named roles say of the command in the environment acted on."""
        place = self.environment
        for role in self.named if place else ():
            for rule in role.may:
                about = rule.is_about(self.command)
                if about and place and rule.holds_in(place.name, at_home=self.at_home):
                    yield role, rule

    def holds(self, role: str) -> bool:
        """Whether the person has a role: built-in ones by order, named ones by membership."""
        built_in = {str(each): each for each in Role if each}
        if role in built_in:
            return self.role >= built_in[role]
        return any(each.name == role for each in self.named)

    def may_act_in(self, place: Environment, command: str, needs: Role) -> bool:
        """Whether the person could say a command about anything there, from this room."""
        at_home = place == self.policy.environment(self.person.room)
        if self.role >= (needs if at_home or needs <= Role.VIEWER else Role.ADMIN):
            return True
        rules = (rule for role in self.named for rule in role.may if rule.is_about(command))
        return any(rule.holds_in(place.name, at_home=at_home) for rule in rules)

    def may_say(self, command: str, needs: Role) -> bool:
        """Whether there is anything that the person could say a command about in this room."""
        if needs <= Role.VIEWER:
            return self.role >= needs
        every = self.policy.every_environment.values()
        return any(self.may_act_in(place, command, needs) for place in every)

    def grounds(
        self,
        targets: Iterable[str],
        want: ServiceSpec | None,
        before: ServiceSpec | None = None,
    ) -> tuple[NamedRole, Rule] | None:
        """The rule that lets through what was allowed; None when the built-in role does."""
        touched = tuple(targets)
        found = (each for each in self.rules if each[1].lets_through(touched, want, before))
        return None if self.enough else next(found, None)

    def allow(
        self,
        targets: Iterable[str],
        want: ServiceSpec | None = None,
        before: ServiceSpec | None = None,
    ) -> None:
        """Raise NotPermitted unless this may be done on every target, and come to what is wanted.

        `want` is the service as it would be, None for what is not about one; `before` the service
        as it is, where the two may differ in more than counts. Raises Undecided when that hangs
        on something about the person that could not be had.
        """
        touched = tuple(dict.fromkeys(targets))
        if self.own and self._belong_together(touched):
            return
        outside = [target for target in touched if target not in self.place.targets]
        if outside:
            raise refusals.outside(self, outside[0])
        if self._lets_through(touched, want, before):
            return
        if self.person.unknown and _at_best(self)._lets_through(touched, want, before):
            raise refusals.undecided(self.person)
        raise refusals.too_much(self, touched, want, before)

    @property
    def lets_in(self) -> bool:
        """Whether there is anything it gives leave for."""
        return self.enough or any(True for _ in self.rules)

    def _lets_through(
        self, targets: tuple[str, ...], want: ServiceSpec | None, before: ServiceSpec | None
    ) -> bool:
        found = (rule.lets_through(targets, want, before) for _, rule in self.rules)
        return self.enough or any(found)

    def _belong_together(self, targets: tuple[str, ...]) -> bool:
        every = self.policy.every_environment.values()
        return any(set(targets) <= set(each.targets) for each in every)


def permit(
    operation: Operation,
    needs: Role,
    policy: Policy,
    room_name: str = "",
    *,
    command: str = "",
    environment: str | None = None,
    person: Person | None = None,
    begun: bool = False,
    alters: bool = False,
) -> Permit:
    """Let an operation pass, or raise NotPermitted naming the role it takes and who has it.

    `environment` is the one that was asked for by name, `person` what is known of the sender. One
    that has `begun` was let in before, and is judged again by what it is about to change alone.
    What `alters` something may take a device that its owner vouches for as well.
    Raises UnknownName for an environment that there is not, and Undecided when the answer hangs
    on something about the person that could not be had.
    """
    person = person or Person(operation.sender, operation.room)
    if (person.mxid, person.room) != (operation.sender, operation.room):
        raise TypeError("what is known of somebody else gives no leave")
    place = policy.environment(person.room) if environment is None else policy.called(environment)
    made = Permit(
        person,
        policy.role(person),
        place,
        operation,
        _SEAL,
        room_name,
        policy.named_roles(person),
        command,
        needs,
        policy,
    )
    if begun:
        return made
    if not made.lets_in and person.unknown and _at_best(made).lets_in:
        raise refusals.undecided(person)
    if not made.lets_in:
        raise refusals.not_let_in(made)
    vouched = operation.vouched or not person.has_account  # whoever submitted it saw to that
    if alters and policy.vouched_only and not vouched:
        raise refusals.not_vouched_for(operation)
    return made


def own_permit(operation: Operation, policy: Policy) -> Permit:
    """For the bot's own operations, such as repairs: as an operator, wherever a service is."""
    person = Person(operation.sender, operation.room)
    place, operator = policy.environment(person.room), Role.OPERATOR
    return Permit(
        person, operator, place, operation, _SEAL, needs=operator, policy=policy, own=True
    )


def _at_best(given: Permit) -> Permit:
    """What it would be if everything unknown about the person spoke for him."""
    best, policy = given.person.at_best(), given.policy
    role, named = policy.role(best), policy.named_roles(best)
    return replace(given, person=best, role=role, named=named)
