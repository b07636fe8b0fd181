"""Settings -> the values the rest of the house is handed."""

from __future__ import annotations

from collections.abc import Mapping

from domain.access import Environment, Policy, Subjects
from domain.people import Role
from ops_config.settings import AccessSettings, EnvironmentSettings, Settings


def policy(settings: Settings) -> Policy:
    """Who may do what. Its rooms go by the ids and aliases of the settings."""
    rooms = {
        name: environment(room.environment, settings.environments[room.environment])
        for name, room in settings.rooms.items()
    }
    vouched_only = settings.matrix.require_vouched
    return Policy(_roles(settings.access), rooms, vouched_only=vouched_only)


def inviters(settings: Settings) -> Subjects | None:
    """Whose invitations are taken; None for those of every operator."""
    listed = settings.matrix.invites_from
    return None if listed is None else Subjects(listed)


def environment(name: str, settings: EnvironmentSettings) -> Environment:
    """One environment."""
    return Environment(name, settings.targets, settings.default_target or settings.targets[0])


def _roles(access: AccessSettings) -> Mapping[Role, Subjects]:
    return {
        Role.VIEWER: Subjects(access.viewer),
        Role.OPERATOR: Subjects(access.operator),
        Role.ADMIN: Subjects(access.admin),
    }
