"""Changes that are refused, and why: they do not fit, or nobody would serve for a while."""

from __future__ import annotations

from domain.errors import Refused
from domain.fit import Fit
from domain.plans import Strategy
from domain.services import ServiceSpec
from domain.terms import Terms
from fleet.gaps import gap
from fleet.rollout import Rollout


class DoesNotFit(Refused):
    """What is to be started is larger than what is free, on these targets."""

    def __init__(
        self, want: ServiceSpec, fits: tuple[tuple[str, Fit], ...], *, recreate: bool = False
    ) -> None:
        where = " and ".join(target for target, _ in fits)
        first = "`--strategy recreate` stops the old first, and " if recreate else ""
        super().__init__(
            f"{want.name} does not fit on {where}", hint=f"{first}`--force` starts it anyway"
        )
        self.standing = "Nothing was changed."
        self.want = want
        self.fits = fits
        """Target -> what was measured there."""


class Interrupts(Refused):
    """Nobody would serve for a while, and nobody said that this may be."""

    def __init__(self, rollout: Rollout, lately: float | None) -> None:
        name = rollout.want.name
        why = "; ".join(f"{p.why} (on {p.target})" for p in rollout.plans if p.why)
        time = f"about {lately:.0f} s, as its latest change took" if lately else "a while"
        super().__init__(
            f"{name} would have to stop before the new version starts: {why}",
            hint=f"`--strategy recreate` does that, and {name} does not serve for {time}; if the "
            "new version fails, the old one is started again. `--plan` shows the steps",
        )
        self.standing = "Nothing was changed."


def refuse_unfit(rollout: Rollout, terms: Terms) -> None:
    """Raise DoesNotFit if it does not, unless that was to be disregarded. Pure."""
    unfit = tuple((p.target, p.fit) for p in rollout.plans if p.fit and not p.fit.fits)
    if unfit and not terms.force:
        raise DoesNotFit(rollout.want, unfit, recreate=terms.strategy is Strategy.ROLLING)


def surprises(rollout: Rollout, terms: Terms) -> bool:
    """Whether a service that runs would stop serving without anybody having said so. Pure."""
    if terms.told or terms.strategy is Strategy.RECREATE:
        return False
    stops_first = any(plan.strategy is Strategy.RECREATE for plan in rollout.plans)
    return stops_first and gap(rollout) is not None
