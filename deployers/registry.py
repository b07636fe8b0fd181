"""Kinds of targets by name, imported on first use; more come through entry points."""

from __future__ import annotations

from difflib import get_close_matches
from importlib import import_module
from importlib.metadata import EntryPoint, entry_points

from deployers.protocol import Kind
from domain.errors import ConfigError

GROUP = "gantry.deployers"
"""The entry point group under which other packages offer kinds: `name = "module:KIND"`."""

_BUILTIN = {
    "docker": "deployers.docker.opening:KIND",
    "process": "deployers.process.deployer:KIND",
    "rehearsal": "deployers.rehearsal:KIND",
}


def names() -> tuple[str, ...]:
    """Every kind that can be written in a configuration here, in order."""
    return tuple(sorted({*_BUILTIN, *_offered()}))


def kind(name: str) -> Kind:
    """The kind of that name; a built-in one wins over an offered one.

    Raises ConfigError for a name nobody has, with the nearest one, and for an offered kind that
    cannot be imported or is not a `Kind`.
    """
    if name in _BUILTIN:
        module, _, attribute = _BUILTIN[name].partition(":")
        try:
            builtin: Kind = getattr(import_module(module), attribute)
        except ImportError as error:
            raise ConfigError(
                f"the kind `{name}` needs what is not installed here: {error.name}",
                hint=f"pip install 'gantry[{name}]'",
            ) from error
        return builtin
    offered = _offered().get(name)
    if offered is None:
        raise ConfigError(f"`{name}` is not a kind of target", hint=_nearest(name))
    return _load(offered)


def _offered() -> dict[str, EntryPoint]:
    return {point.name: point for point in entry_points(group=GROUP)}


def _load(point: EntryPoint) -> Kind:
    package = point.dist.name if point.dist else point.module
    try:
        found = point.load()
    except (ImportError, AttributeError) as error:
        raise ConfigError(
            f"the kind `{point.name}` of {package} cannot be imported: {error}",
            hint=f"reinstall or remove {package}",
        ) from error
    if not isinstance(found, Kind):
        raise ConfigError(
            f"`{point.value}` of {package} is a {type(found).__name__}, not a Kind of target",
            hint="docs/adding-a-deployer.md shows what an entry point resolves to",
        )
    return found


def _nearest(name: str) -> str:
    known = names()
    close = get_close_matches(name, known, n=1)
    return f"did you mean `{close[0]}`?" if close else f"there are {', '.join(known)}"
