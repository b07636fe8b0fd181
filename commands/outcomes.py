"""How changes that worked are told. Pure."""

from __future__ import annotations

from commands.replies import Reply, duration
from domain import made_of
from fleet.fleet import Outcome


def live(outcome: Outcome) -> Reply:
    """It serves: where, since when, how fast."""
    want = outcome.want
    if not want.replicas:
        return Reply.done(
            f"✓ {want.name} is changed to revision `{want.revision}` and stopped, as it was; "
            f"`!scale {want.name} 1` starts it"
        )
    count = f"{want.replicas} replica" + ("s" if want.replicas != 1 else "")
    told = f"✓ {want.name} is live on {want.where}: {count} of revision `{want.revision}`"
    hardware = made_of.hardware(outcome.made_of)
    on = [f"on the {each}" for each in hardware]
    line = " · ".join([told, f"ready in {duration(outcome.seconds)}", *on, *_speed(outcome)])
    said = [why for each in hardware if (why := made_of.reason(each))]
    notes = (each for each in outcome.warnings if not any(why in each for why in said))
    return Reply.done(line, *(f"Note: {each}." for each in notes))


def unchanged(outcome: Outcome) -> Reply:
    """Nothing had to be done."""
    want = outcome.want
    return Reply.done(
        f"✓ {want.name} already is like that: {want.replicas} on {want.where}, "
        f"revision `{want.revision}`"
    )


def _speed(outcome: Outcome) -> list[str]:
    """`first token after 12 ms`, `210 tokens/s`; nothing where it could not be measured."""
    first = outcome.first_token
    if first is None or first.tokens_per_second is None:
        return []
    return [
        f"first token after {first.seconds * 1000:.0f} ms",
        f"{first.tokens_per_second:.0f} tokens/s",
    ]
