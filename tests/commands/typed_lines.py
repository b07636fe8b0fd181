"""How people type what a verb takes: for each kind of word, what is typed and what it means."""

from __future__ import annotations

from typing import Any

import click
from hypothesis import strategies as st

from commands import key_words, limits, model_words, namespaces, words
from commands.verb import AnyVerb
from domain.quotas import BILLION, Per, Quota, Unit
from domain.services import MAX_REPLICAS
from domain.sources import Source

Typed = tuple[str, Any]
"""(as it is typed, what it means)"""

_LETTER = "abcdefghijklmnopqrstuvwxyz"
_NAME = st.from_regex(r"[a-z]([a-z0-9-]{0,38}[a-z0-9])?", fullmatch=True)
_PART = st.from_regex(r"[A-Za-z0-9_][A-Za-z0-9_.-]{0,12}", fullmatch=True).filter(
    lambda part: part != ".."
)
_VARIABLE = st.from_regex(r"[A-Za-z_][A-Za-z0-9_]{0,12}", fullmatch=True)
_QUOTES = "\"'“”‘’"
_FREE = st.sampled_from(["we wait —really", "two  spaces", "a –b", "# no comment"]) | st.text(
    st.characters(codec="utf-8", exclude_characters=_QUOTES + "\u00a0", exclude_categories=["C"]),
    min_size=1,
    max_size=30,
)
"""What needs at most quotation marks around it."""


MODELS: list[Typed] = [("@chat", "chat"), ("@a,b,@a", "a,b")]

QUOTAS: list[Typed] = [
    ("requests=1k/day", Quota(Unit.REQUESTS, 1000, Per.DAY)),
    ("tokens=1.5m/month@big-*", Quota(Unit.TOKENS, 1_500_000, Per.MONTH, model="big-*")),
    ("money=0.5EUR/hour", Quota(Unit.MONEY, BILLION // 2, Per.HOUR, "EUR")),
]


def whole(least: int, most: int) -> st.SearchStrategy[Typed]:
    """A whole number, with zeros before it now and then."""
    numbers = st.integers(least, most)
    return st.tuples(numbers, st.sampled_from(["", "", "0"])).map(
        lambda each: (f"{each[1]}{each[0]}", each[0])
    )


def placements(draw: Any) -> Typed:
    """Targets with and without counts."""
    targets = draw(st.lists(_NAME, min_size=1, max_size=4, unique=True))
    counts = [draw(st.none() | st.integers(0, MAX_REPLICAS)) for _ in targets]
    pairs = tuple(zip(targets, counts, strict=True))
    return ",".join(t if n is None else f"{t}:{n}" for t, n in pairs), pairs


def source(draw: Any) -> Typed:
    """Where a model comes from."""
    repository = f"{draw(_PART)}/{draw(_PART)}"
    found = draw(
        st.sampled_from(
            [
                Source("hf", repository),
                Source("hf", f"{repository}/{draw(_PART)}", draw(_PART)),
                Source("path", f"/models/{repository}.gguf"),
                Source("path", f"D:\\My Models\\{draw(_PART)}.gguf"),
                Source("tiny", draw(_NAME)),
            ]
        )
    )
    return str(found), found


def setting(draw: Any) -> Typed:
    """A key and whatever follows the first equals sign."""
    key, value = draw(_PART), draw(_FREE)
    return f"{key}={value}", (key, value)


_DURATIONS = st.tuples(st.integers(1, 366), st.sampled_from([("m", 60), ("h", 3600), ("d", 86400)]))
_PERIODS = st.tuples(st.integers(1, 10), st.sampled_from([("s", 1), ("m", 60)]))
_TENTHS = st.integers(0, 20).map(lambda tenths: (f"{tenths / 10}", tenths / 10))


def typed(kind: click.ParamType[Any]) -> st.SearchStrategy[Typed]:
    """What people type for one kind of word. Raises AssertionError for a kind nobody described."""
    match kind:
        case words.NameWord():
            return _NAME.map(lambda name: (name, name))
        case words.SourceWord():
            return st.composite(source)()
        case words.PlacementsWord():
            return st.composite(placements)()
        case words.EnvWord():
            return st.tuples(_VARIABLE, _FREE).map(lambda e: (f"{e[0]}={e[1]}", (e[0], e[1])))
        case words.ImageWord():
            return st.sampled_from(
                [(image, image) for image in ("busybox", "ghcr.io/a/b:1", "a/b@sha256:0123abcd")]
            )
        case words.SettingWord():
            return st.composite(setting)()
        case words.CountWord(least=least):
            return whole(least, MAX_REPLICAS)
        case words.WholeWord(least=least, most=most):
            return whole(least, most)
        case words.GpuWord():
            return st.sampled_from([("auto", "auto"), ("none", "none"), ("2", 2), ("64", 64)])
        case limits.CpuWord():
            return st.sampled_from([("none", 0.0), ("4", 4.0), ("0.5", 0.5), ("1024", 1024.0)])
        case limits.MemoryWord():
            return st.sampled_from(
                [("none", 0), ("8g", 2**33), ("512M", 2**29), ("8 GiB", 2**33), ("1.5g", 3 * 2**29)]
            )
        case namespaces.NamespaceWord():
            return st.sampled_from([("none", ""), ("team-a", "team-a"), ("9", "9")])
        case model_words.EventWord():
            return st.sampled_from([("$1", "$1"), ("$aB_c-d:x.org", "$aB_c-d:x.org")])
        case model_words.StandingWord():
            return st.just(("@chat", "chat")) | _NAME.map(lambda name: (name, name))
        case model_words.ModelWord():
            return st.sampled_from([each for each in MODELS if "," not in each[0]])
        case model_words.ModelsWord():
            return st.sampled_from(MODELS) | _NAME.map(lambda name: (name, name))
        case key_words.PatternsWord():
            return st.sampled_from(
                [("*", ("*",)), ("qwen,big-*", ("qwen", "big-*")), ("a,a", ("a",))]
            )
        case key_words.QuotaWord():
            return st.sampled_from(QUOTAS)
        case words.TemperatureWord():
            return _TENTHS
        case words.TtlWord():
            return st.just(("none", 0.0)) | typed(words.DurationWord())
        case words.DurationWord():
            return _DURATIONS.map(lambda d: (f"{d[0]}{d[1][0]}", float(d[0] * d[1][1])))
        case words.PeriodWord():
            return _PERIODS.map(lambda d: (f"{d[0]}{d[1][0]}", float(d[0] * d[1][1])))
        case words.PartWord():
            return _FREE.filter(str.strip).map(lambda text: (text, text))
        case words.TargetWord():
            return _NAME.map(lambda name: (name, name))
        case click.Choice(choices=choices):
            return st.sampled_from([(choice, choice) for choice in choices])
        case click.types.StringParamType():
            return _FREE.map(lambda text: (text, text))
    raise AssertionError(f"say in tests/commands/typed_lines.py how {kind} is typed")


@st.composite
def lines(draw: Any, verb: AnyVerb) -> tuple[str, dict[str, Any]]:
    """A line somebody types, and the values it means. Options stand anywhere, if the verb takes no
    prose; spelled with one word or two, with the dashes phones make."""
    values: dict[str, Any] = {}
    arguments: list[str] = []
    options: list[str] = []
    left_out = False
    for param in verb.params:
        said = param.required or draw(st.booleans())
        name = str(param.name)
        if isinstance(param, click.Argument):
            left_out = left_out or not said
            if param.nargs == -1:
                count = 0 if left_out else draw(st.integers(0, 3))
                each = [_argument(draw, param, arguments) for _ in range(count)]
                values[name] = tuple(each)
            else:
                values[name] = None if left_out else _argument(draw, param, arguments)
        elif param.is_flag:
            values[name] = said
            options += [draw(_dashes(param.opts[0]))] if said else []
        elif param.multiple:
            each = [_option(draw, param, options) for _ in range(draw(st.integers(0, 3)))]
            values[name] = tuple(each)
        else:
            values[name] = _option(draw, param, options) if said else None
    if verb.prose:
        prose = draw(st.text(min_size=1).filter(str.strip))
        values[verb.prose] = prose
        return " ".join([verb.name, *arguments, *options, "--", prose]), values
    places = sorted(draw(st.integers(0, len(arguments))) for _ in options)
    for place, option in reversed(list(zip(places, options, strict=True))):
        arguments.insert(place, option)
    return " ".join([verb.name, *arguments]), values


def _argument(draw: Any, param: click.Argument, arguments: list[str]) -> Any:
    text, value = draw(typed(param.type).filter(lambda each: each[0][0] not in "-—–"))
    arguments.append(_quoted(text))
    return value


def _option(draw: Any, param: click.Option, options: list[str]) -> Any:
    text, value = draw(typed(param.type))
    flag = draw(_dashes(param.opts[0]))
    options.append(f"{flag}{draw(st.sampled_from(' ='))}{_quoted(text)}")
    return value


def _dashes(flag: str) -> st.SearchStrategy[str]:
    return st.sampled_from([flag, flag, f"—{flag[2:]}", f"–{flag[2:]}"])


def _quoted(text: str) -> str:
    return f'"{text}"' if not text or any(c.isspace() for c in text) else text
