"""The models a key may use, from Anthropic's own listing."""

from __future__ import annotations

from dataclasses import dataclass

from pydantic import BaseModel


@dataclass(frozen=True, slots=True)
class Page:
    """Some of the models there are."""

    names: tuple[str, ...]
    """In the order of the API, the newest first."""
    after: str | None
    """The name to ask for more behind; None where this was all."""


class _Model(BaseModel, frozen=True):
    id: str
    lifecycle: str = "active"


class _Listing(BaseModel, frozen=True):
    data: tuple[_Model, ...]
    has_more: bool = False
    last_id: str | None = None


def read_models(answer: str | bytes) -> Page:
    """Read one page of `/v1/models`. Retired models, which answer nobody, are left out.

    Raises ValueError for what is no listing.
    """
    listing = _Listing.model_validate_json(answer)
    names = tuple(model.id for model in listing.data if model.lifecycle != "retired")
    return Page(names, listing.last_id if listing.has_more else None)
