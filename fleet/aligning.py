"""The routing table, brought in line with what was seen to run."""

from __future__ import annotations

from collections.abc import Mapping

from domain.errors import OpsError
from domain.replicas import Observed, Phase, Replica
from fleet.looking import Outcome
from fleet.manners import manner
from fleet.store.services import Wanted
from inference.endpoints import Endpoints, Place

Standing = tuple[list[Replica], int]
"""The replicas that failed, and how many wanted ones are not there at all."""


def align(endpoints: Endpoints, wanted: Wanted, answers: Mapping[str, Outcome]) -> Standing:
    """Let requests reach what serves of a service, and nothing else, by what each target it is
    placed on was seen to hold.

    Raises the error of a target that could not be looked at: by then the table is in line with the
    others, and nothing of that one is withdrawn.
    """
    name, revision = wanted.spec.name, wanted.spec.revision
    failed: list[Replica] = []
    missing = 0
    alive: set[Place] = set()
    for placement in wanted.spec.placements:
        seen = answers[placement.target]
        if not isinstance(seen, Observed):
            continue
        alive |= {(seen.target, replica.id) for replica in seen.alive}
        for replica in seen.ready:
            if replica.endpoint and replica.id.revision == revision:
                how = manner(wanted.spec.engine, replica)
                endpoints.admit(replica.id, replica.endpoint, target=seen.target, manner=how)
        failed += [replica for replica in seen.replicas if replica.phase is Phase.FAILED]
        missing += max(0, placement.replicas - len(seen.alive))
    silent = {target: each for target, each in answers.items() if isinstance(each, OpsError)}
    for endpoint in endpoints.of(name):
        if endpoint.place not in alive and endpoint.target not in silent:
            endpoints.withdraw(endpoint.replica, target=endpoint.target)
    for error in silent.values():
        raise error
    return failed, missing
