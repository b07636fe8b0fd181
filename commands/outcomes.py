"""How changes that worked are told. Pure."""

from __future__ import annotations

from commands.replies import Reply, duration
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
    line = " · ".join([told, f"ready in {duration(outcome.seconds)}", *_speed(outcome)])
    return Reply.done(line, *(f"Note: {warning}." for warning in outcome.warnings))


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
