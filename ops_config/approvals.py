"""The part of the configuration that says who is asked before something is changed."""

from __future__ import annotations

from typing import Annotated, Any

from pydantic import AfterValidator, Field, model_validator

from domain.decisions import REQUESTER
from domain.rules import ANYWHERE, CHANGES
from ops_config.explain import nearest
from ops_config.section import Duration, Section

_SHORT = {"none": {"quorum": 0}, "confirm": {"by": REQUESTER}}


def _changes(name: str) -> str:
    if name not in (*CHANGES, ANYWHERE):
        raise ValueError(f"`{name[:40]}` changes nothing{nearest(name, CHANGES)}")
    return name


Asked = Annotated[str, AfterValidator(_changes)]
"""A command that people are asked about; `*` for every other."""


class ApprovalSettings(Section):
    """Who has to say yes before a command is carried out. `none` and `confirm` are short for
    nobody, and for whoever asked."""

    quorum: int = Field(1, ge=0, le=20, examples=[1])
    """How many people have to say yes; 0 asks nobody."""
    by: str = Field("operator", examples=["operator"])
    """The role they must have, built in or named. `requester` asks whoever gave the command to
    confirm it."""
    requester: bool = False
    """Whether whoever gave the command may be one of them."""
    typed: bool = False
    """Whether only `!approve`, typed on a verified device in an encrypted room, counts. A
    homeserver could make up a reaction."""
    within: Duration = Field(3600.0, examples=["1h"])
    """After that silence is a no. The plan is good for as long."""

    @model_validator(mode="before")
    @classmethod
    def _in_short(cls, value: Any) -> Any:
        return _SHORT.get(value, value) if isinstance(value, str) else value

    @model_validator(mode="after")
    def _one_confirms(self) -> ApprovalSettings:
        if self.by == REQUESTER and self.quorum > 1:
            raise ValueError("quorum: only one person can confirm what they asked for")
        return self
