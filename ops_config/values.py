"""Settings -> the values the rest of the house is handed."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from pydantic import SecretStr

from domain.access import Environment, Policy
from domain.arguments import parse_condition
from domain.backends import Backend, Tier
from domain.costs import COST, Price, read_price
from domain.decisions import Approval
from domain.defaults import Defaults
from domain.people import Role
from domain.routes import Member, Route
from domain.rules import NamedRole, Rule
from domain.subjects import ROOM, Subjects
from domain.tariffs import Rate, Tariff
from inference.client import Timeouts
from inference.gateway.opening import Ways
from ops_config.gateway import BackendSettings, RouteSettings
from ops_config.roles import DefaultsSettings, RoleSettings
from ops_config.settings import AccessSettings, EnvironmentSettings, Settings


def policy(settings: Settings) -> Policy:
    """Who may do what. Its rooms go by the ids and aliases of the settings."""
    places = {name: environment(name, each) for name, each in settings.environments.items()}
    rooms = {name: places[room.environment] for name, room in settings.rooms.items()}
    named = tuple(_role(name, role) for name, role in settings.roles.items())
    return Policy(
        _roles(settings.access),
        rooms,
        environments=places,
        named=named,
        vouched_only=settings.matrix.require_vouched,
    )


def inviters(settings: Settings) -> Subjects | None:
    """Whose invitations are taken; None for those of every operator."""
    listed = settings.matrix.invites_from
    return None if listed is None else Subjects(listed)


def rooms_asked(settings: Settings) -> tuple[str, ...]:
    """The rooms, by id or alias, of which it is asked who is in them."""
    rules = policy(settings)
    lists = (*rules.roles.values(), *(role.who for role in rules.named))
    return tuple(sorted({each.removeprefix(ROOM) for who in lists for each in who.rooms}))


def prices(settings: Settings) -> Mapping[str, Price]:
    """What a replica costs on the targets that say so, whatever their kind."""
    said = {name: target.model_dump().get(COST) for name, target in settings.targets.items()}
    return {name: read_price(text) for name, text in said.items() if text is not None}


def ways(settings: Settings, read: Callable[[BackendSettings, str], SecretStr | None]) -> Ways:
    """How requests for models are led. `read` finds a backend's key. Raises ConfigError."""
    said = settings.gateway
    return Ways(
        tuple(_backend(name, each, read(each, name)) for name, each in said.backends.items()),
        {name: _route(name, each) for name, each in said.routes.items()},
        said.near,
        said.affinity,
        said.hold,
        Timeouts(said.connect, said.first_byte, said.idle, said.whole),
    )


def tariff(settings: Settings) -> Tariff:
    """What tokens cost."""
    said = settings.gateway
    rates = {name: Rate(each.prompt, each.completion) for name, each in said.prices.items()}
    return Tariff(rates, said.currency)


def _backend(name: str, said: BackendSettings, key: SecretStr | None) -> Backend:
    tier = Tier[(said.tier or ("cloud" if said.kind == "anthropic" else "external")).upper()]
    models = tuple(said.models.items())
    return Backend(name, said.kind, said.url, key, models, said.capacity, tier, said.sampling)


def _route(name: str, said: RouteSettings) -> Route:
    members = tuple(Member.parse(text) for text in said.members)
    return Route(name, members, as_listed=said.order == "listed")


def environment(name: str, settings: EnvironmentSettings) -> Environment:
    """One environment."""
    approvals = {
        command: Approval(asked.quorum, asked.by, asked.requester, asked.typed, asked.within)
        for command, asked in settings.approvals.items()
    }
    default = settings.default_target or settings.targets[0]
    return Environment(name, settings.targets, default, _defaults(settings.defaults), approvals)


def _defaults(said: DefaultsSettings) -> Defaults:
    return Defaults(
        said.replicas,
        said.gpu,
        said.context,
        said.cpus,
        said.memory,
        tuple(sorted(said.settings.items())),
        said.startup_budget,
        said.drain_timeout,
        said.namespace,
    )


def _roles(access: AccessSettings) -> Mapping[Role, Subjects]:
    return {
        Role.VIEWER: Subjects(access.viewer),
        Role.OPERATOR: Subjects(access.operator),
        Role.ADMIN: Subjects(access.admin),
    }


def _role(name: str, said: RoleSettings) -> NamedRole:
    rules = tuple(
        Rule(
            rule.commands,
            rule.environments,
            rule.targets,
            tuple(map(parse_condition, rule.when)),
            f"roles.{name}.may.{number}",
        )
        for number, rule in enumerate(said.may)
    )
    return NamedRole(name, Subjects(said.who), rules)
