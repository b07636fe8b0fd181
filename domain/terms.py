"""What whoever asks for a change says of how it may be made. No part of what is wanted."""

from __future__ import annotations

from dataclasses import dataclass

from domain.plans import Strategy


@dataclass(frozen=True, slots=True)
class Terms:
    """Leave for what is otherwise refused."""

    force: bool = False
    """Start replicas even if, by the arithmetic, they do not fit."""
    strategy: Strategy | None = None
    """In which order old and new are replaced; None leaves that to the plan."""
    told: bool = False
    """Whether somebody sees the plan, and the time without service in it, before it is made."""
