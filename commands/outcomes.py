"""How changes that worked are told. Pure."""

from __future__ import annotations

from commands.replies import Reply, duration
from domain.readiness import FirstToken
from fleet.fleet import Outcome


def live(outcome: Outcome) -> Reply:
    """It serves: where, since when, how fast."""
    want = outcome.want
    count = f"{want.replicas} replica" + ("s" if want.replicas != 1 else "")
    told = f"✓ {want.name} is live on {want.where}: {count} of revision `{want.revision}`"
    return Reply.done(" · ".join([told, f"ready in {duration(outcome.seconds)}", *_speed(outcome)]))


def unchanged(outcome: Outcome) -> Reply:
    """Nothing had to be done."""
    want = outcome.want
    return Reply.done(
        f"✓ {want.name} already is like that: {want.replicas} on {want.where}, "
        f"revision `{want.revision}`"
    )


def _speed(outcome: Outcome) -> list[str]:
    return speed(outcome.first_token) if outcome.first_token else []


def speed(first: FirstToken) -> list[str]:
    """`first token after 12 ms`, `210 tokens/s`."""
    told = [f"first token after {first.seconds * 1000:.0f} ms"]
    if first.tokens_per_second is not None:
        told.append(f"{first.tokens_per_second:.0f} tokens/s")
    return told
