"""The models that come along with Gantry: `tiny://NAME`."""

from __future__ import annotations

from difflib import get_close_matches
from pathlib import Path

from domain.errors import Unsupported
from domain.sources import Source

_FILES = {"ops": "tiny-ops.gguf"}


def bundled(source: Source) -> Path:
    """The file of a `tiny://` source. Raises Unsupported, naming the nearest there is."""
    name = _FILES.get(source.location)
    if name is None:
        close = get_close_matches(source.location, _FILES, n=1) or list(_FILES)
        raise Unsupported(f"no model {source} comes along", hint=f"there is tiny://{close[0]}")
    return Path(__file__).with_name("bundled") / name
