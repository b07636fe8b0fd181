"""What OpenSSH writes before it ends, understood (pure). Its words are those of version 9."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable

from deployers.docker.ways import ssh_sentences as say
from domain.errors import TargetError


def meaning(address: str, lines: Iterable[str]) -> TargetError:
    """Why it ended. Its last words count: a banner is first.

    An `ssh` that is our proxy (ProxyJump) writes to the same place, before ours tells that nobody
    spoke to it.
    """
    said = [line.strip() for line in lines if line.strip()]
    told = "\n".join(said)
    if ends := re.search(r"open failed: (.*)\n.*stdio forwarding failed", told):
        barred = "administratively prohibited" in ends[1]
        return say.way_barred(address) if barred else say.way_ends(address, ends[1])
    at = f"{address}: on the way there{_hop(told)}" if _PROXIED in told else address
    if unproven := _unproven(at, told):
        return unproven
    if exposed := re.search(r"Permissions \d+ for '(.*)' are too open", told):
        return say.key_exposed(at, exposed[1])
    return (
        _first(_WORDS, at, said)
        or _first(_LAST_RESORT, address, said)
        or say.ended(address, said[-1] if said else "")
    )


def _unproven(address: str, told: str) -> TargetError | None:
    """What is wrong with the host's own key, where there is more to it than that nobody knows
    it."""
    if _UNVERIFIED not in told:
        return None
    shown = re.search(r"SHA256:[A-Za-z0-9+/=]+", told)
    if "REMOTE HOST IDENTIFICATION HAS CHANGED" in told:
        return say.host_changed(address, shown[0] if shown else "")
    if "REVOKED HOST KEY DETECTED" in told:
        return say.host_revoked(address)
    if flaw := re.search(r"Certificate invalid: (.*)", told):
        return say.host_uncertified(address, flaw[1])
    return None


def _first(words: Words, address: str, said: list[str]) -> TargetError | None:
    for line in reversed(said):
        for pattern, sentence in words:
            if found := re.search(pattern, line):
                return sentence(address, *found.groups())
    return None


def _hop(told: str) -> str:
    """Which host on the way it was, where that was said."""
    found = re.search(_NAMED, told, re.MULTILINE)
    return f", {next(name for name in found.groups() if name)}" if found else ""


Words = tuple[tuple[str, Callable[..., TargetError]], ...]
"""(pattern, sentence): what the pattern's groups hold is told to the sentence."""

_UNVERIFIED = "Host key verification failed"
_PROXIED = "UNKNOWN port 65535"
"""What OpenSSH calls the other end of a proxy."""
_NAMED = (
    r"^(\S+): Permission denied \(|connect to host (\S+) port|resolve hostname (\S+):"
    r"|host key for (\S+) (?:has changed|is marked)"
)
_WORDS: Words = (
    (r"(.*(?:Bad configuration option: |Bad owner or perm|line \d+: ).*)", say.config_wrong),
    (r"(Can't open user config file .*)", say.config_wrong),
    (_UNVERIFIED, say.host_unknown),
    (r": Permission denied \((?!.*publickey)(.*)\)", say.more_than_a_key),
    (r": Permission denied \(", say.key_refused),
    ("Too many authentication failures", say.key_refused),
    (r"Could not resolve hostname .*Temporary failure", say.names_unanswered),
    ("Could not resolve hostname", say.name_unknown),
    (r"[Cc]onnect.*: Connection refused", say.port_closed),
    (r"[Cc]onnect.*: (?:No route to host|Network is unreachable)", say.no_way),
    (r"[Cc]onnect.*: (?:Connection|Operation) timed out", say.silent),
    ("Timeout, server .* not responding", say.silent),
    ("timed out during banner exchange", say.silent),
)
_LAST_RESORT: Words = (
    (r"kex_exchange_identification|banner exchange|Bad remote protocol version", say.not_ssh),
)
"""What is left of every trouble that a proxy has."""
