"""Whether containers get graphics cards: what an engine offers, and what is made of it. Pure."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from deployers.engines.preset import Hardware
from domain.errors import Unsupported
from domain.replicas import TargetFacts
from domain.services import ServiceSpec

_RUNTIME = "nvidia"
CARD = "nvidia.com/gpu"
"""What a card is called by the Container Device Interface, before `=` and which it is."""
_EVERY_DEVICE = f"{CARD}=all"
_REFUSED = re.compile(
    r"could not select device driver|unknown runtime specified nvidia|"
    r"unknown or invalid runtime name: nvidia|nvidia-container-cli|"
    r"unresolvable CDI devices|no known GPU vendor",
    re.IGNORECASE,
)

NO_RUNTIME = "its Docker engine has no NVIDIA runtime"
RELOAD = (
    "`systemctl daemon-reload` on its host takes the card from running containers, since Docker "
    "uses systemd's cgroups and no CDI; such a replica is then made anew"
)
TOOLKIT = "install the NVIDIA Container Toolkit there, or take `--gpu none`"


@dataclass(frozen=True, slots=True)
class Choice:
    """What a replica is to compute on."""

    hardware: Hardware
    why: str = ""
    """Why it is not a card, where one would have been taken."""

    def __str__(self) -> str:
        name = "graphics card" if self.hardware == "cuda" else "processor"
        return f"{name} ({self.why})" if self.why else name


def trouble(info: Mapping[str, Any]) -> str | None:
    """What keeps an engine from giving cards to containers; None where nothing is known to.

    Looks at runtimes, and at devices found by the Container Device Interface (`docker info`, Engine
    API 1.41; devices from 1.50).
    """
    if devices(info):
        return None
    return None if _RUNTIME in (info.get("Runtimes") or {}) else NO_RUNTIME


def devices(info: Mapping[str, Any]) -> tuple[str, ...]:
    """The cards that an engine hands out by the Container Device Interface, by their names."""
    told = (str(each.get("ID", "")) for each in info.get("DiscoveredDevices") or ())
    return tuple(name for name in told if name.startswith(f"{CARD}="))


def by_name(count: int, offered: tuple[str, ...]) -> tuple[str, ...]:
    """So many cards (-1: all) as they are asked for where an engine offers these; none where it
    offers none by name, and they are asked for by their number alone.

    A card may have several names: its number, its UUID. The first of them by number are taken, as
    Docker does by itself (moby, countToDevices). Those beyond what is offered are named all the
    same, and refused by the engine.
    """
    if not count or not offered:
        return ()
    if count < 0 and _EVERY_DEVICE in offered:
        return (_EVERY_DEVICE,)
    single = [name for name in offered if name != _EVERY_DEVICE]
    numbers = sorted(int(n) for n in (name.partition("=")[2] for name in single) if n.isdigit())
    known = [f"{CARD}={number}" for number in numbers] or sorted(single)
    missing = (f"{CARD}={number}" for number in range(len(known), count))
    return tuple(known) if count < 0 else (*known[:count], *missing)


def at_risk(info: Mapping[str, Any]) -> str | None:
    """How containers may lose their cards, by `docker info`; None where that is not known to be.

    With systemd's cgroups and no CDI, systemd takes away devices that it was not told of as soon
    as it reloads its units (NVIDIA container toolkit, troubleshooting: "Containers losing access to
    GPUs").
    """
    if trouble(info) or info.get("CgroupDriver") != "systemd" or devices(info):
        return None
    return RELOAD


def choose(want: ServiceSpec, trouble: str | None) -> Choice:
    """A card if that was asked for or there is one, else the processor.

    Raises Unsupported where so many cards were asked for and none can be had.
    """
    if want.gpu == "none":
        return Choice("cpu")
    if trouble is None:
        return Choice("cuda")
    if want.gpu != "auto":
        raise Unsupported(f"no graphics card can be had: {trouble}", hint=TOOLKIT)
    return Choice("cpu", trouble)


def refuse_too_much(want: ServiceSpec, facts: TargetFacts) -> None:
    """Raise Unsupported for a replica that no one machine with these facts has the hardware for."""
    if isinstance(want.gpu, int) and facts.gpus and want.gpu > len(facts.gpus):
        raise Unsupported(
            f"{facts.target} has {len(facts.gpus)} graphics cards, not {want.gpu}",
            hint="--gpu auto takes what there is",
        )
    if want.cpus and facts.cpus and want.cpus > facts.cpus:
        raise Unsupported(
            f"{facts.target} has {facts.cpus} cores, not {want.cpus:g}",
            hint=f"`--cpu {facts.cpus}` is all of it, and so is leaving it out",
        )


def warnings(choice: Choice, at_risk: str | None) -> tuple[str, ...]:
    """What a plan says of that."""
    if choice.why:
        return (f"no graphics card: {choice.why}; it runs on the processor",)
    return (at_risk,) if at_risk and choice.hardware == "cuda" else ()


def refused(answer: str) -> str | None:
    """Why an engine could not give a card after all, from its answer; None for any other no."""
    if not _REFUSED.search(answer):
        return None
    return answer.strip().splitlines()[-1][:160]
