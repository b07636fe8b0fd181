"""What looks like a secret in what people and programs write. Pure.

What is only ever masked, never declined, stands apart: programs write such things about each
other, and a person who writes one in a prompt may mean nothing by it.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from functools import cached_property

MASK = "•••"
"""Stands where a secret stood."""

_NAMED = r"(?i:[A-Z0-9_]{0,80}(?:TOKEN|SECRET|PASSWORD|PASSWD|API_?KEY|ACCESS_KEY|PRIVATE_KEY))"
_NOT_BEFORE = r"(?:(?<![A-Za-z0-9_])|(?<=\\[nrt])|(?<=%[0-9A-Fa-f]{2}))"
"""A word begins here, perhaps in the escaped text of a log."""

_NAMES = ("token", "secret", "passw", "api_key", "apikey", "access_key", "private_key")

_GAP = r"(?:\s|\\[nr]){0,4}"
_BASE64_LINES = rf"(?:(?:{_GAP}[A-Za-z0-9+/=]{{20,}})+(?:{_GAP}[A-Za-z0-9+/]+=*)?)?"


@dataclass(frozen=True)
class Shape:
    """How one kind of secret is written: what tells it, then the part nobody may read."""

    kind: str
    head: str
    """A pattern; what it matches is shown, so that one can tell what it was."""
    rest: str
    """A pattern; what it matches is not."""
    hints: tuple[str, ...]
    """Lower-case words of which a text with one in it has at least one: looking for these is a
    hundred times faster than the pattern, and nearly every text has none."""

    @cached_property
    def pattern(self) -> re.Pattern[str]:
        """The whole of it, its head in a group."""
        return re.compile(f"({self.head}){self.rest}")

    def found(self, text: str, lowered: str) -> bool:
        """Whether a text, given as it is and in lower case, seems to hold one."""
        return self.hinted(lowered) and self.pattern.search(text) is not None

    def masked(self, text: str, lowered: str) -> str:
        """The text with `•••` for what nobody may read."""
        return self.pattern.sub(rf"\1{MASK}", text) if self.hinted(lowered) else text

    def hinted(self, lowered: str) -> bool:
        """Whether it is worth looking for."""
        return any(hint in lowered for hint in self.hints)


SHAPES = (
    Shape(
        "a private key",
        rf"-----BEGIN [A-Z ]{{0,40}}PRIVATE KEY-----(?!{MASK})",
        rf"{_BASE64_LINES}(?:{_GAP}-----END [A-Z ]{{0,40}}PRIVATE KEY-----)?",
        ("private key-----",),
    ),
    Shape("a Hugging Face token", r"hf_", r"[A-Za-z0-9]{30,}", ("hf_",)),
    Shape(
        "a GitHub token",
        r"gh[pousr]_",
        r"[A-Za-z0-9]{36,}",
        ("ghp_", "gho_", "ghu_", "ghs_", "ghr_"),
    ),
    Shape("a GitHub token", r"github_pat_", r"[A-Za-z0-9_]{50,}", ("github_pat_",)),
    Shape(
        "an API key of the gateway",
        rf"{_NOT_BEFORE}gantry-",
        r"(?=[a-z0-9_-]{0,42}[A-Z])[A-Za-z0-9_-]{43}(?![A-Za-z0-9_-])",  # no name has capitals
        ("gantry-",),
    ),
    Shape("a GitLab token", r"glpat-", r"[A-Za-z0-9_-]{20,}", ("glpat-",)),
    Shape(
        "an API key of a model provider",
        rf"{_NOT_BEFORE}sk-",
        r"(?:[a-z]+-)*[A-Za-z0-9_-]{20,}",
        ("sk-",),
    ),
    Shape("an AWS access key", rf"{_NOT_BEFORE}(?:AKIA|ASIA)", r"[A-Z0-9]{16}\b", ("akia", "asia")),
    Shape("a Google API key", rf"{_NOT_BEFORE}AIza", r"[A-Za-z0-9_-]{35}", ("aiza",)),
    Shape("a Slack token", r"xox[abeoprs]-", r"[A-Za-z0-9-]{10,}", ("xox",)),
    Shape(
        "a Matrix access token",
        r"syt_",
        r"[A-Za-z0-9+/=]+_[A-Za-z]{20}_[A-Za-z0-9]{6}\b",
        ("syt_",),
    ),
    Shape("a Matrix access token", rf"{_NOT_BEFORE}mc[tr]_", r"\w{20,}", ("mct_", "mcr_")),
    Shape(
        "a signed token (JWT)",
        rf"{_NOT_BEFORE}eyJ(?=[A-Za-z0-9_-]{{10,4000}}\.eyJ)",
        r"[A-Za-z0-9_-]{10,4000}\.eyJ[A-Za-z0-9_-]{10,}\.[A-Za-z0-9_-]+",
        ("eyj",),
    ),
    Shape(
        "a password in an address",
        r"(?<![a-z0-9+.-])[a-z][a-z0-9+.-]{0,30}://[^\s:/@]{1,200}:",
        rf"(?!{MASK}@)[^\s/@]{{1,500}}(?=@)",
        ("://",),
    ),
    Shape(
        "a value for something named like a secret",
        rf"(?<![A-Za-z0-9_]){_NAMED}=",
        r"(?!•+(?:\s|$))(?!\s|$|\$|@)\S+",
        _NAMES,
    ),
)
"""By the prefixes that those who issue them document; the one that says most comes first."""

WRITTEN_BY_PROGRAMS = (
    Shape(
        "credentials in a header",
        r"(?i:authorization)[\"']?\s{0,4}[:=]\s{0,4}[\"']?(?i:bearer|basic|token)\s{1,4}",
        r"[A-Za-z0-9._~+/=-]{4,}",
        ("authorization",),
    ),
    Shape(
        "credentials in a header",
        rf"{_NOT_BEFORE}(?i:bearer)\s",
        r"[A-Za-z0-9._~+/=-]{16,}",
        ("bearer",),
    ),
    Shape(
        "a quoted value for something named like a secret",
        rf"(?<![A-Za-z0-9_]){_NAMED}[\"']?\s{{0,4}}[:=]\s{{0,4}}[\[(]?[\"']",
        r"[^\"'\s<|•][^\"'\n<|]{5,}",
        _NAMES,
    ),
    Shape(
        "an option named like a secret",
        r"--(?:[a-z]{1,20}-){0,3}(?:token|secret|password|api-key)[ =]",
        r"(?!--)[^\s•]\S{5,}",
        ("--",),
    ),
    Shape(
        "the signature of an address",
        r"[?&](?:X-Amz-(?:Signature|Security-Token|Credential)|Signature|sig)=",
        r"[^&\s\"'<>•]{6,}",
        ("x-amz-", "signature=", "sig="),
    ),
)
"""What is masked besides, in logs above all."""


def named_like_a_secret(name: str) -> bool:
    """Whether a variable's name says that its value is one."""
    return re.fullmatch(_NAMED, name) is not None


def kind_of_secret(text: str) -> str | None:
    """What kind of secret a text seems to hold, for a sentence; None when it seems to hold none."""
    lowered = text.lower()
    return next((shape.kind for shape in SHAPES if shape.found(text, lowered)), None)
