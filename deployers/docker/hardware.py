"""Whether containers get graphics cards: what an engine offers, and what is made of it. Pure."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from deployers.engines.preset import Hardware
from domain.errors import Unsupported
from domain.services import ServiceSpec

_RUNTIME = "nvidia"
_DEVICES = "nvidia.com/gpu"
_REFUSED = re.compile(
    r"could not select device driver|unknown runtime specified nvidia|nvidia-container-cli|"
    r"unresolvable CDI devices|no known GPU vendor",
    re.IGNORECASE,
)

NO_RUNTIME = "its Docker engine has no NVIDIA runtime"
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
    devices = info.get("DiscoveredDevices") or ()
    if any(str(each.get("ID", "")).startswith(_DEVICES) for each in devices):
        return None
    return None if _RUNTIME in (info.get("Runtimes") or {}) else NO_RUNTIME


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


def refused(answer: str) -> str | None:
    """Why an engine could not give a card after all, from its answer; None for any other no."""
    if not _REFUSED.search(answer):
        return None
    return answer.strip().splitlines()[-1][:160]
