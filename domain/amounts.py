"""Bytes in words, and words in bytes. Pure."""

from __future__ import annotations

import re


def size(amount: float) -> str:
    """`1.5 GB`, in powers of 1000."""
    for unit in ("B", "kB", "MB", "GB"):
        if amount < 1000:
            return f"{amount:.0f} {unit}" if unit == "B" else f"{amount:.1f} {unit}"
        amount /= 1000
    return f"{amount:.1f} TB"


def read_memory(text: str) -> int:
    """`512m`, `1.5g`, `8GiB`, `4096B` in bytes: powers of 1024 however they are spelt, as Docker
    reads them (`units.RAMInBytes` of docker/go-units). Raises ValueError for anything else, a
    number without a unit included: nobody means 8 bytes."""
    found = _MEMORY.fullmatch(text.strip().lower())
    amount = int(float(found[1]) * 1024 ** _POWERS[found[2][0]]) if found else None
    if amount is None or amount > _MOST:
        raise ValueError(f"`{text[:40]}` is no amount of memory; write `512m` or `8g`")
    return amount


def memory(amount: int) -> str:
    """Bytes as `read_memory` reads them, none lost: `8 GiB`, `1536 MiB`, `1000 B`."""
    for unit, power in reversed(_POWERS.items()):
        if power and amount and amount % 1024**power == 0:
            return f"{amount // 1024**power} {unit.upper()}iB"
    return f"{amount} B"


_MEMORY = re.compile(r"([0-9]{1,16}(?:\.[0-9]{1,6})?) ?(b|[kmgt](?:i?b)?)", re.ASCII)
_POWERS = {"b": 0, "k": 1, "m": 2, "g": 3, "t": 4}
_MOST = 2**50
"""More is a typo; and a float holds all up to there."""
