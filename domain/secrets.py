"""What looks like a secret in what people write. Pure."""

from __future__ import annotations

import re

MASK = "•••"

_NAMED = r"(?i:[A-Z0-9_]*(?:TOKEN|SECRET|PASSWORD|PASSWD|API_?KEY|ACCESS_KEY|PRIVATE_KEY))"

_SHAPES = {
    "a private key": r"-----BEGIN [A-Z ]*PRIVATE KEY-----(?s:.*?-----END [A-Z ]*KEY-----|.*)",
    "a Hugging Face token": r"\bhf_[A-Za-z0-9]{30,}\b",
    "a GitHub token": r"\b(?:gh[pousr]_[A-Za-z0-9]{36,}|github_pat_[A-Za-z0-9_]{50,})\b",
    "a GitLab token": r"\bglpat-[A-Za-z0-9_-]{20,}",
    "an API key of a model provider": r"\bsk-(?:[a-z]+-)*[A-Za-z0-9_-]{20,}",
    "an AWS access key": r"\b(?:AKIA|ASIA)[A-Z0-9]{16}\b",
    "a Google API key": r"\bAIza[A-Za-z0-9_-]{35}",
    "a Slack token": r"\bxox[abeoprs]-[A-Za-z0-9-]{10,}",
    "a Matrix access token": r"\b(?:syt_[A-Za-z0-9+/=]+_[A-Za-z]{20}_[A-Za-z0-9]{6}|mct_\w{20,})\b",
    "a signed token (JWT)": r"\beyJ[A-Za-z0-9_-]{10,}\.eyJ[A-Za-z0-9_-]{10,}\.[A-Za-z0-9_-]+",
    "a password in an address": r"\b[a-z][a-z0-9+.-]*://[^\s:/@]+:[^\s/@]+@",
    "a value for something named like a secret": rf"\b{_NAMED}=(?!\s|$|\$|@)\S+",
}
"""What it is -> its shape, by the prefixes that those who issue them document; the one that says
most comes first."""

_KINDS = {kind: re.compile(shape) for kind, shape in _SHAPES.items()}


def kind_of_secret(text: str) -> str | None:
    """What kind of secret a text seems to hold, for a sentence; None when it seems to hold none."""
    return next((kind for kind, shape in _KINDS.items() if shape.search(text)), None)


def masked(text: str) -> str:
    """The text with what looks like a secret in it made unreadable; names of secrets stay."""
    for shape in _KINDS.values():
        text = shape.sub(_mask, text)
    return text


def _mask(found: re.Match[str]) -> str:
    """`PASSWORD=•••` and `https://ann:•••@`: what it is stays, what it was does not."""
    named = re.match(rf"{_NAMED}=", found[0])
    address = re.match(r"[a-z][a-z0-9+.-]*://[^\s:/@]+:", found[0])
    if named:
        return f"{named[0]}{MASK}"
    return f"{address[0]}{MASK}@" if address else MASK
