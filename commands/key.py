"""`key`: makes API keys of the gateway, lists them, and ends them."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta

import click

from commands.access import Permit
from commands.courier import Parcel
from commands.key_words import PatternsWord, QuotaWord
from commands.replies import Reply, Table
from commands.verb import Deps, Verb, option
from commands.words import DurationWord
from domain.errors import NotPermitted, OpsError, UsageError, unknown_name
from domain.keys import Key, digest_of, fresh_id, fresh_secret, read_owner
from domain.people import Role
from domain.progress import Report
from domain.quotas import Quota, Unit, told


@dataclass(frozen=True)
class KeyRequest:
    """What is to become of a key."""

    action: str
    what: str | None = None
    """Whose a new one is; the id of one that is there."""
    models: tuple[str, ...] | None = None
    quota: tuple[Quota, ...] = ()
    expires: float | None = None
    """Seconds from now."""


async def key(request: KeyRequest, permit: Permit, deps: Deps, report: Report) -> Reply:
    """Do what is asked with keys."""
    if request.action != "create" and (request.models or request.quota or request.expires):
        raise UsageError(f"`key {request.action}` takes no options", hint="`!help key` has more")
    if request.action == "create":
        return await _create(request, permit, deps, report)
    if request.action == "revoke":
        return await _revoke(request.what, permit, deps)
    return _listed(deps)


async def _create(request: KeyRequest, permit: Permit, deps: Deps, report: Report) -> Reply:
    """Hand the secret over, then keep the key: one that nobody was given never comes to be.

    Begun anew after a restart, it hands over another secret unless the key was kept by then.
    """
    operation, person = permit.operation, permit.person.mxid
    if not permit.person.has_account:
        raise NotPermitted(f"a key is handed to a person, and {person} is none")
    async with deps.store.transaction() as tx:
        made = await tx.keys.made_by(operation.id)
    if made is not None:
        return _handed(made, deps)
    secret = fresh_secret()
    made = _new(request, digest_of(secret.get_secret_value()), permit, deps)
    parcel = Parcel(f"gantry-key-{made.id}.txt", _words(made), secret)
    try:
        await deps.courier.hand(person, parcel, operation, report)
    except OpsError as error:
        error.standing = "No key was made; should a file have come all the same, it opens nothing."
        raise
    async with deps.store.transaction() as tx:
        kept = await tx.keys.add(made, operation.id)
    if not kept:
        raise OpsError(
            f"there is another key {made.id}, so this one was not made",
            hint="Say it again; the file that was sent opens nothing",
        )
    deps.keyring.put(made)
    return _handed(made, deps)


def _new(request: KeyRequest, digest: str, permit: Permit, deps: Deps) -> Key:
    """The key that is asked for. Raises UsageError."""
    if request.what is None:
        raise UsageError("`key create` needs an OWNER", hint=f"For example `!{VERB.examples[0]}`")
    try:
        owner = read_owner(request.what)
    except ValueError as error:
        raise UsageError(str(error)) from error
    _check_currency(request.quota, deps)
    name = fresh_id()
    while deps.keyring.get(name) is not None:
        name = fresh_id()
    now = deps.clock.now()
    return Key(
        id=name,
        owner=owner,
        digest=digest,
        created_at=now,
        created_by=permit.person.mxid,
        models=request.models or ("*",),
        quotas=request.quota,
        expires_at=now + timedelta(seconds=request.expires) if request.expires else None,
    )


def _check_currency(quotas: tuple[Quota, ...], deps: Deps) -> None:
    tariff = deps.keyring.tariff
    for each in quotas:
        if each.unit is Unit.MONEY and tariff.rates and each.currency != tariff.currency:
            raise UsageError(
                f"prices here are in {tariff.currency}, so nothing can be counted in "
                f"{each.currency}",
                hint=f"write `money={told(each.amount)}{tariff.currency}/{each.per}`",
            )


def _handed(made: Key, deps: Deps) -> Reply:
    notes = [f"It may ask {', '.join(made.models)}", *map(str, made.quotas)]
    if made.expires_at:
        notes.append(f"until {_moment(made.expires_at)}")
    lines = [" · ".join(notes)]
    if any(each.unit is Unit.MONEY for each in made.quotas) and not deps.keyring.tariff.rates:
        lines.append("Note: nothing has a price here, so its quota of money is never used up.")
    told_first = (
        f"✓ API key {made.id} for {made.owner} is made; {made.created_by} has it as a file in a "
        "room of our own"
    )
    return Reply.done(*map(_plain, (told_first, *lines)))


def _words(made: Key) -> str:
    return (
        f"# API key {made.id} of the gateway, for {made.owner}. Whoever has it may ask models in "
        "that name.\n"
        "# Keep it where only its owner can read it, then delete this file and its message.\n"
        "# It is sent as `Authorization: Bearer KEY`."
    )


async def _revoke(name: str | None, permit: Permit, deps: Deps) -> Reply:
    """It opens nothing from now on, whatever becomes of the writing down."""
    if name is None:
        raise UsageError("`key revoke` needs an ID", hint="`!key list` shows them")
    known = deps.keyring.get(name)
    if known is None:
        raise unknown_name("API key", name, (each.id for each in deps.keyring.keys))
    now, person = deps.clock.now(), permit.person.mxid
    if known.revoked_at is None:
        deps.keyring.revoke(name, person, now)
    async with deps.store.transaction() as tx:
        new = await tx.keys.revoke(name, person, now)
    if not new:
        by = f" by {known.revoked_by} on {_moment(known.revoked_at)}" if known.revoked_at else ""
        return Reply.done(_plain(f"API key {name} of {known.owner} was revoked{by} already"))
    rest = "Requests that are under way come to their end; every other is refused"
    return Reply.done(_plain(f"✓ API key {name} of {known.owner} is revoked"), rest)


def _listed(deps: Deps) -> Reply:
    """Those that open something first."""
    now = deps.clock.now()
    keys = sorted(deps.keyring.keys, key=lambda each: each.revoked_at is not None)
    rows = tuple(
        tuple(
            _plain(cell)
            for cell in (
                each.id,
                str(each.owner),
                ", ".join(each.models),
                "; ".join(_used(quota, used) for quota, used in deps.keyring.used(each.id)),
                _standing(each, each.has_expired(now)),
                f"{each.created_at:%d %b %Y} by {each.created_by}",
            )
        )
        for each in keys
    )
    if not rows:
        return Reply.done("There are no API keys; `!key create OWNER` makes one")
    head = ("key", "whose", "may ask", "used of its quotas", "opens", "made")
    return Reply.done(Table(head, rows))


def _used(quota: Quota, used: int) -> str:
    shown = told(used) if quota.unit is Unit.MONEY else str(used)
    return f"{shown} of {quota}"


def _standing(known: Key, expired: bool) -> str:
    if known.revoked_at is not None:
        return f"nothing: revoked {known.revoked_at:%d %b %Y} by {known.revoked_by}"
    if known.expires_at is None:
        return "until it is revoked"
    return f"nothing: expired {_moment(known.expires_at)}" if expired else _moment(known.expires_at)


def _moment(at: datetime) -> str:
    return f"{at:%d %b %Y %H:%M} UTC"


def _plain(text: str) -> str:
    """Without what our own words mean by backticks: owners are somebody else's words."""
    return text.replace("`", "")


VERB = Verb(
    name="key",
    summary="make, list and revoke API keys of the gateway",
    examples=(
        "key create ci --models qwen,big-* --quota requests=1000/day --expires 30d",
        "key create @ann:example.org --quota tokens=1m/day@big-model --quota money=5EUR/month",
        "key list",
        "key revoke k3f9a2",
    ),
    request=KeyRequest,
    handle=key,
    role=Role.ADMIN,
    acts=True,
    binds=True,
    params=(
        click.Argument(
            ["action"], type=click.Choice(["create", "list", "revoke"]), metavar="ACTION"
        ),
        click.Argument(["what"], type=click.STRING, required=False, metavar="OWNER|ID"),
        option("--models", PatternsWord(), "GLOB,...", "what it may ask; default: everything"),
        option(
            "--quota",
            QuotaWord(),
            "UNIT=N/PER",
            "so many requests, tokens or money a minute, hour, day or month; may be repeated",
            multiple=True,
        ),
        option("--expires", DurationWord(), "30d", "how long it opens anything; default: for good"),
    ),
    notes=(
        "ACTION is `create`, `list` or `revoke`. OWNER is a Matrix id, a room or the name of an "
        "app. The secret comes as a file in an encrypted room of you and the bot alone, and is "
        "kept nowhere else. See docs/gateway-keys.md.",
    ),
)
