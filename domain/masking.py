"""The one step that what leaves the bot passes: secrets in it become `•••`. Pure.

A secret is told by its value, where the bot was given it, and by its shape, where it was not.
"""

from __future__ import annotations

import base64
import html
import json
import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from functools import cached_property
from urllib.parse import quote, quote_plus

from pydantic import SecretStr

from domain.secrets import MASK, SHAPES, WRITTEN_BY_PROGRAMS

SHORTEST = 6
"""Characters. A shorter value is not masked: it would blank half of every text, and tell by the
blanks what it is."""

GIVEAWAY = 4
"""Characters that begin a known secret, by which one might know it."""

_TAG = re.compile(r"(<[^<>]*>)")
_BASE64 = r"[A-Za-z0-9+/_-]"


@dataclass(frozen=True)
class Masking:
    """What must not be told."""

    known: tuple[SecretStr, ...] = ()
    """Values the bot was given. Those that are too short, or nothing but `•`, are passed over."""

    def masked(self, text: str) -> str:
        """The text with `•••` for every secret in it: known ones also as JSON, URLs, HTML, Python
        and base64 write them. `hf_•••` still says what it was.

        Masking what is masked changes nothing. Ends: each round leaves fewer characters that are
        no `•`.
        """
        while (masked := self._once(text)) != text:
            text = masked
        return text

    def masked_html(self, text: str) -> str:
        """The same for HTML, whose tags stay as they are: what stands between them is read as a
        person reads it."""
        parts = _TAG.split(text)
        return "".join(part if at % 2 else self._between(part) for at, part in enumerate(parts))

    def so_far(self, text: str) -> str:
        """A text that goes on, masked: a known secret of which only the beginning stands at its
        end included."""
        masked = self.masked(text)
        begun = max((_begun(form, masked) for form in self._forms), default=0)
        return masked[: len(masked) - begun] + MASK if begun else masked

    def holds(self, text: str) -> bool:
        """Whether a known secret stands in the text."""
        return any(form in text for form in self._forms)

    def knowing(self, *secrets: SecretStr) -> Masking:
        """One that knows these too."""
        return Masking((*self.known, *secrets))

    def _once(self, text: str) -> str:
        if self.holds(text):
            text = self._values.sub(MASK, text)
        lowered = text.lower()
        for shape in (*SHAPES, *WRITTEN_BY_PROGRAMS):
            text = shape.masked(text, lowered)
        return text

    @cached_property
    def _forms(self) -> frozenset[str]:
        values = [secret.get_secret_value() for secret in self.known]
        return frozenset(form for value in values for form in (*_forms(value), *_base64_of(value)))

    @cached_property
    def _values(self) -> re.Pattern[str]:
        """Longest first: one secret may be part of another."""
        values = [secret.get_secret_value() for secret in self.known]
        coded = {form for value in values for form in _base64_of(value)}
        longest_first = sorted(self._forms, key=len, reverse=True)
        return re.compile("|".join(_pattern(form, form in coded) for form in longest_first))

    def _between(self, text: str) -> str:
        read = html.unescape(text)
        masked = self.masked(read)
        return text if masked == read else html.escape(masked, quote=False)


def _pattern(form: str, coded: bool) -> str:
    """With what stands beside letters of base64: it belongs in part to the secret."""
    return f"{_BASE64}?{re.escape(form)}{_BASE64}?=*" if coded else re.escape(form)


def _begun(form: str, text: str) -> int:
    """How many characters at the end of a text begin a form; 0 for too few to tell."""
    lengths = range(len(form) - 1, GIVEAWAY - 1, -1)
    return next((length for length in lengths if text.endswith(form[:length])), 0)


def _worth_masking(lines: Iterable[str]) -> Iterator[str]:
    return (line for line in lines if len(line) >= SHORTEST and line.strip("•"))


def _forms(value: str) -> Iterator[str]:
    """How a value may be written, by itself and line by line: logs take texts apart."""
    for text in {*_worth_masking((value, *value.splitlines()))}:
        urls = {quote(text, "", errors="surrogatepass"), quote(text, errors="surrogatepass")}
        urls.add(quote_plus(text, errors="surrogatepass"))
        yield from (text, repr(text)[1:-1])
        yield from (json.dumps(text)[1:-1], json.dumps(text, ensure_ascii=False)[1:-1])
        yield from (html.escape(text), html.escape(text, quote=False))
        yield from urls
        yield from (re.sub(r"%[0-9A-F]{2}", lambda code: code[0].lower(), url) for url in urls)


def _base64_of(value: str) -> Iterator[str]:
    """The letters that base64 of any text with the value in it has: three sets, by how many bytes
    come before (RFC 4648, section 4)."""
    if next(_worth_masking((value,)), None) is None:
        return
    raw = value.encode(errors="surrogatepass")
    for before in range(3):
        coded = base64.b64encode(bytes(before) + raw).decode()
        settled = coded[-(-before * 8 // 6) : (before + len(raw)) * 8 // 6]
        yield from (settled, settled.translate(str.maketrans("+/", "-_")))
