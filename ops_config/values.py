"""Settings -> the values the rest of the house is handed."""

from __future__ import annotations

from collections.abc import Mapping

from domain.access import Environment, Policy, Subjects
from domain.people import Role
from ops_config.settings import AccessSettings, EnvironmentSettings, Settings


def policy(settings: Settings, room_ids: Mapping[str, str]) -> Policy:
    """Who may do what. `room_ids` maps the aliases in the settings to room ids."""
    rooms = {
        room_ids.get(name, name): environment(
            room.environment, settings.environments[room.environment]
        )
        for name, room in settings.rooms.items()
    }
    return Policy(_roles(settings.access), rooms)


def environment(name: str, settings: EnvironmentSettings) -> Environment:
    """One environment."""
    return Environment(name, settings.targets, settings.default_target or settings.targets[0])


def _roles(access: AccessSettings) -> Mapping[Role, Subjects]:
    return {
        Role.VIEWER: Subjects(access.viewer),
        Role.OPERATOR: Subjects(access.operator),
        Role.ADMIN: Subjects(access.admin),
    }
