"""How Matrix writes keys and signs objects: unpadded base64, canonical JSON. Pure."""

from __future__ import annotations

import base64
import binascii
import json
from collections.abc import Mapping
from typing import Any


def base64_of(data: bytes) -> str:
    """Unpadded, as keys, signatures and ciphertexts are written."""
    return base64.b64encode(data).decode().rstrip("=")


def bytes_of(text: object) -> bytes | None:
    """What was written, padded or not; None for what is no base64: it came from outside."""
    if not isinstance(text, str):
        return None
    bare = text.rstrip("=")
    try:
        return base64.b64decode(bare + "=" * (-len(bare) % 4), validate=True)
    except (binascii.Error, ValueError):
        return None


def canonical_json(value: Mapping[str, Any]) -> bytes:
    """The one way to write an object down, for signing ("Canonical JSON")."""
    return json.dumps(
        value, ensure_ascii=False, separators=(",", ":"), sort_keys=True, allow_nan=False
    ).encode()


def mapping(value: object) -> Mapping[str, Any]:
    """What should be an object and, coming from outside, may be anything."""
    return value if isinstance(value, dict) else {}
