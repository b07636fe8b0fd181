"""Every verb there is, in the order help lists them."""

from __future__ import annotations

from collections.abc import Mapping

from commands import (
    about,
    approve,
    audit,
    batch,
    deploy,
    history,
    infer,
    keep,
    key,
    lock,
    logs,
    ops,
    scale,
    status,
    stop,
    targets,
    usage,
    where,
)
from commands.apply import apply_verb
from commands.can import can_verb
from commands.help import help_verb
from commands.verb import AnyVerb


def all_verbs() -> Mapping[str, AnyVerb]:
    """Name -> verb, `help` included."""
    listed: list[AnyVerb] = [
        deploy.VERB,
        scale.VERB,
        infer.VERB,
        batch.VERB,
        status.VERB,
        logs.VERB,
        stop.STOP,
        stop.RESTART,
        stop.REMOVE,
        keep.KEEP,
        history.HISTORY,
        history.DIFF,
        history.ROLLBACK,
        lock.LOCK,
        lock.UNLOCK,
        lock.LOCKS,
        ops.OPS,
        ops.CANCEL,
        approve.APPROVE,
        approve.DENY,
        audit.VERB,
        key.VERB,
        usage.VERB,
        targets.VERB,
        where.VERB,
        about.PING,
        about.WHOAMI,
        about.VERSION,
        stop.REPAIR,
        keep.EXPIRE,
    ]
    verbs = {verb.name: verb for verb in listed}
    verbs["apply"] = apply_verb(verbs)
    verbs["can"] = can_verb(verbs)
    verbs["help"] = help_verb(verbs)
    return verbs
