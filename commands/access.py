"""Request + policy -> permit, or a refusal that says what is missing. Pure."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from domain.access import Environment, Policy
from domain.errors import NotPermitted
from domain.operations import Operation
from domain.people import Person, Role

_SEAL: Final = object()


@dataclass(frozen=True, slots=True)
class Permit:
    """Leave to carry out one operation. Only this module makes one."""

    person: Person
    role: Role
    environment: Environment | None
    operation: Operation
    seal: object
    room_name: str = ""
    """What people call the room; "" when it has no name."""

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

    def allow(self, targets: list[str]) -> None:
        """Raise NotPermitted unless every target belongs to this room's environment."""
        outside = [target for target in targets if target not in self.place.targets]
        if outside:
            raise NotPermitted(
                f"`{outside[0]}` is not a target of {self.place.name}, which this room acts on",
                hint=f"use {' or '.join(self.place.targets)}, or ask in that target's room",
            )


def permit(
    operation: Operation,
    needs: Role,
    policy: Policy,
    room_name: str = "",
    *,
    alters: bool = False,
) -> Permit:
    """Let an operation pass, or raise NotPermitted naming the role it takes and who has it.

    What `alters` something may take a device that its owner vouches for as well.
    """
    person = Person(operation.sender, operation.room)
    allowed = _permit(operation, person, policy.role(person), needs, policy, room_name)
    if alters and policy.vouched_only and not operation.vouched:
        raise _not_vouched_for(operation)
    return allowed


def _not_vouched_for(operation: Operation) -> NotPermitted:
    if operation.device is None:
        return NotPermitted(
            "changes are taken only from verified sessions here, and nothing proves which one this "
            "came from",
            hint="say it again in an encrypted room, from a session that you have verified",
        )
    return NotPermitted(
        "changes are taken only from verified sessions here, and the identity that I know of "
        f"{operation.sender} does not vouch for {operation.device[:40]}",
        hint="verify that session in your client, then say it again; looking needs none of that",
    )


def own_permit(operation: Operation, policy: Policy) -> Permit:
    """For the bot's own operations, such as repairs: as an operator of the room's environment."""
    person = Person(operation.sender, operation.room)
    return _permit(operation, person, Role.OPERATOR, Role.OPERATOR, policy, "")


def _permit(
    operation: Operation, person: Person, role: Role, needs: Role, policy: Policy, room_name: str
) -> Permit:
    if role < needs:
        raise NotPermitted(
            f"that takes the role {needs}, and {person.mxid} "
            + (f"is {role}" if role else "has no role here"),
            hint=f"who edits `access.{needs}` in the configuration can grant it",
        )
    return Permit(person, role, policy.environment(person.room), operation, _SEAL, room_name)
