"""What a change would do, told before it is done. Pure."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from commands.costing import costing
from commands.replies import Block, Reply, Table, duration, size
from domain.amounts import memory
from domain.fit import Fit
from domain.plans import Plan, StepKind, Strategy
from domain.services import NO_NAMESPACE, ServiceSpec
from fleet.gaps import gap
from fleet.rollout import Rollout

GOOD_FOR = 900.0
"""Seconds for which a plan that was asked for can be applied."""

_MOVES = {StepKind.START, StepKind.STOP, StepKind.FORGET}


def planned(rollout: Rollout, plan: str, lately: float | None, more: Sequence[Block] = ()) -> Reply:
    """The steps in order, what differs from what is wanted now, and whether it goes on serving."""
    name = rollout.want.name
    steps = list(rollout.steps)
    if not any(step.kind in _MOVES for _, step in steps) and rollout.want == rollout.before:
        same = f"Plan for {name}: it already is like that, nothing would be done"
        return Reply.done(same, *more)
    head = f"Plan `{plan}` for {name}; nothing is changed yet"
    how = f"`!apply {plan}` does exactly this, within {duration(GOOD_FOR)} and if nothing changes"
    return Reply.done(head, *plan_blocks(rollout, lately), *more, how)


def plan_blocks(rollout: Rollout, lately: float | None) -> list[Block]:
    """What a rollout comes to: differences, what moves, steps, whether it goes on serving, fit,
    cost, warnings. `lately` is how many seconds the latest change of the service took."""
    rows = tuple(
        (str(number), plan.target, str(step))
        for number, (plan, step) in enumerate(rollout.steps, 1)
    )
    blocks: list[Block] = [*differences(rollout), moves(rollout)]
    blocks += [Table(("", "target", "step"), rows), serving(rollout) + _took(rollout, lately)]
    blocks += [ordering(plan) for plan in rollout.plans if plan.strategy is Strategy.RECREATE]
    runs = [plan for plan in rollout.plans if plan.started and plan.runs_on]
    blocks += [f"On {plan.target} it runs on the {plan.runs_on}." for plan in runs]
    blocks += [fitting(plan.target, plan.fit) for plan in rollout.plans if plan.fit]
    blocks += costing(rollout)
    blocks += [f"Note: {warning}." for plan in rollout.plans for warning in plan.warnings]
    return [*blocks, *passed_over(rollout)]


def passed_over(rollout: Rollout) -> list[str]:
    """That targets have no namespaces, and so none for this service."""
    where = [plan.target for plan in rollout.plans if plan.no_namespace]
    if not where:
        return []
    why = "; ".join(dict.fromkeys(plan.no_namespace for plan in rollout.plans if plan.no_namespace))
    namespace = rollout.want.namespace
    return [f"Namespace {namespace} is passed over on {' and '.join(where)}: {why}."]


def moves(rollout: Rollout) -> str:
    """Which replicas start, which stop, and how many stay as they are."""
    started = sorted(str(replica) for plan in rollout.plans for replica in plan.started)
    stopped = sorted(str(replica) for plan in rollout.plans for replica in plan.stopped)
    alive = sum(len(plan.fingerprint.alive) for plan in rollout.plans)
    stay = alive - len(stopped)
    parts = [f"starts {', '.join(started)}"] if started else []
    parts += [f"stops {', '.join(stopped)}"] if stopped else []
    if stay > 0:
        parts.append("1 stays as it is" if stay == 1 else f"{stay} stay as they are")
    told = "; ".join(parts) or "no replica starts or stops"
    return told[0].upper() + told[1:]


def ordering(plan: Plan) -> str:
    """That the old stop first, why, and what then happens to a new version that fails."""
    return (
        f"On {plan.target} the old stop before the new start, because {plan.why}. If the new do "
        "not get ready, the old are started again."
    )


def fitting(target: str, fit: Fit) -> str:
    """The memory replicas need and what is free, as a sum."""
    return f"{'Fits' if fit.fits else 'Does not fit'} on {target}: {arithmetic(fit)}"


def arithmetic(fit: Fit) -> str:
    """`4.9 GB weights + 1.1 GB for 8192 tokens + 0.3 GB engine = 6.3 GB of 8.0 GB free memory`."""
    need, count = fit.taken, fit.replicas
    each = (
        f"{size(need.weights)} weights + {size(need.cache)} for {need.tokens} tokens + "
        f"{size(need.overhead)} engine"
    )
    sum_of = f"{count} × ({each})" if count > 1 else each
    where = "graphics memory" if fit.on_card else "memory"
    told = f"{sum_of} = {size(fit.wanted)} of {size(fit.free)} free {where}"
    if fit.back:
        told += f" and {size(fit.back)} that stopped replicas give back"
    if fit.each and len(fit.cards) > 1:
        told += f"; {_cards(fit)}"
    return told


def _cards(fit: Fit) -> str:
    """Where the sum alone does not tell: how much is free on which."""
    each = f"{fit.each} cards for each" if fit.each != 1 else "one card for each"
    return f"{each}, which have {', '.join(size(free) for free in fit.cards)}"


def _took(rollout: Rollout, lately: float | None) -> str:
    if lately is None:
        return ""
    stops = gap(rollout)
    if stops and stops.until:
        return f" That is for about {duration(lately)} at most, as its latest change took."
    return f" Its latest change took {duration(lately)}."


def differences(rollout: Rollout) -> list[Block]:
    """What is wanted other than now, a line each."""
    want, before = rollout.want, rollout.before
    if rollout.removal:
        return [f"{want.name} is forgotten, its logs included"]
    if before is None:
        usual = {name: getattr(want, name) for name in ("name", "source", "placements", "restarts")}
        return [f"New: {want.source} on {want.where}", *changed(ServiceSpec(**usual), want)]
    return list(changed(before, want))


def serving(rollout: Rollout) -> str:
    """Whether somebody serves at each step, going by what is alive now."""
    name = rollout.want.name
    alive = any(plan.fingerprint.alive for plan in rollout.plans)
    admitted = any(step.kind is StepKind.ADMIT for _, step in rollout.steps)
    stops = gap(rollout)
    if (stops and stops.until is None) or not (alive or admitted):
        return f"After that {name} does not serve."
    if not alive:
        return f"{name} does not serve now; it does once a replica is admitted."
    if stops:
        return f"{name} does not serve between step {stops.since} and step {stops.until}."
    return f"{name} serves throughout."


def changed(before: ServiceSpec, want: ServiceSpec) -> Iterator[str]:
    """What differs between two descriptions of a service, a line each."""
    pairs = [
        ("source", str(before.source), str(want.source)),
        ("engine", before.engine, want.engine),
        ("image", _or_default(before.image), _or_default(want.image)),
        ("gpu", str(before.gpu), str(want.gpu)),
        ("context", _or_default(before.context), _or_default(want.context)),
        ("cpus", _or_no_limit(before.cpus), _or_no_limit(want.cpus)),
        ("memory", _or_no_limit(before.memory), _or_no_limit(want.memory)),
        ("namespace", before.namespace or NO_NAMESPACE, want.namespace or NO_NAMESPACE),
    ]
    pairs += [
        ("startup budget", f"{before.startup_budget:g} s", f"{want.startup_budget:g} s"),
        ("drain timeout", f"{before.drain_timeout:g} s", f"{want.drain_timeout:g} s"),
    ]
    old, new = dict(before.settings), dict(want.settings)
    pairs += [
        (f"setting {key}", _or_default(old.get(key)), _or_default(new.get(key)))
        for key in sorted(old.keys() | new.keys())
    ]
    old, new = dict(before.env), dict(want.env)
    pairs += [
        (f"variable {name}", _or_unset(old.get(name)), _or_unset(new.get(name)))
        for name in sorted(old.keys() | new.keys())
    ]
    pairs.append(("Compose", _yes(before.compose), _yes(want.compose)))
    pairs.append(("takes over what runs", _yes(before.take_over), _yes(want.take_over)))
    targets = dict.fromkeys(p.target for p in (*before.placements, *want.placements))
    pairs += [
        (f"replicas on {t}", str(before.replicas_on(t)), str(want.replicas_on(t))) for t in targets
    ]
    yield from (f"{what}: `{then}` → `{now}`" for what, then, now in pairs if then != now)
    if before.restarts != want.restarts:
        yield "every replica is replaced by a new one"


def _or_default(value: object) -> str:
    return "default" if value is None else str(value)


def _or_unset(value: str | None) -> str:
    return "unset" if value is None else value


def _yes(value: bool) -> str:
    return "yes" if value else "no"


def _or_no_limit(value: float | None) -> str:
    if value is None:
        return "no limit"
    return memory(value) if isinstance(value, int) else f"{value:g}"
