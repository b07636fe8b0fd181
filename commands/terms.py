"""What may be said of how a change is made: `--force`, `--strategy`."""

from __future__ import annotations

import click

from commands.verb import option
from domain.plans import Strategy
from domain.terms import Terms

FORCE = click.Option(["--force"], is_flag=True, help="start it even if it does not fit")
"""What verbs take that start replicas. It is in the command, and so in the audit."""

STRATEGY = option(
    "--strategy",
    click.Choice([each.value for each in Strategy]),
    "rolling|recreate",
    "`recreate` stops the old before the new start",
)
"""What verbs take that replace replicas."""


def terms(request: object) -> Terms:
    """What a request says of it; a verb need not take both."""
    strategy = getattr(request, "strategy", None)
    return Terms(bool(getattr(request, "force", False)), Strategy(strategy) if strategy else None)
