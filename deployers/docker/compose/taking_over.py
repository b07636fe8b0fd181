"""Takes over what runs of a project already, as it runs, and gives it back."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from functools import partial

from deployers.docker.api import Answer, Api
from deployers.docker.compose import adopted, standing
from deployers.docker.compose.projects import Projects, Read, Up
from deployers.docker.compose.standing import Standing
from deployers.docker.container import PROJECT, REPLICA
from deployers.docker.diagnosis import diagnose
from deployers.docker.images import Images, Tell
from deployers.docker.looking import ALIVE, Seen, labels_of
from deployers.docker.marks import TAKEN_OVER, mark
from domain.clock import Clock
from domain.errors import Unhealthy
from domain.plans import Plan
from domain.replicas import ReplicaId
from domain.services import ServiceSpec


@dataclass(frozen=True, slots=True)
class TakingOver:
    """Takes over projects for services of one engine.

    Of such a project one container is Gantry's, the one that answers: by a mark, as long as it is
    the one that somebody else started; by its labels, once it had to be made anew. All others are
    their owner's for good.
    """

    api: Api
    projects: Projects
    images: Images
    clock: Clock

    async def foretell(self, want: ServiceSpec, read: Read) -> tuple[str, ...]:
        """What a plan has to say of what is there already. Raises Refused."""
        there, made = await self.there(read), await self.projects.recipe(want, read)
        taken = standing.incumbent(want, read.project, there, read.files, made)
        return standing.foretold(want, read.project, there, taken, made, self.clock.now())

    async def fetch(self, want: ServiceSpec, read: Read, tell: Tell) -> None:
        """Have the images that will be needed, which are none for what runs. Raises Refused."""
        if await self._incumbent(want, read) is None:
            await self._fetch(read, await self.there(read), tell)

    async def start(self, replica: ReplicaId, plan: Plan, read: Read, tell: Tell) -> str:
        """Take over what runs, or bring it up by its files. Returns which it was.

        Raises Unhealthy or Refused; what ran before is as it was then.
        """
        taken = await self._incumbent(plan.want, read)
        if taken is None:
            await self._bring_up(replica, plan, read, tell)
            return "the project is up"
        image = await self.images.known(taken.image) or taken.image
        labels = adopted.labels(replica, plan, read.project, image)
        await self.api.put_mark(mark(str(replica), taken.id, labels))
        return f"{taken.name} is taken over as it runs"

    async def start_again(self, found: Seen) -> None:
        """Start what was taken over and does not run, the rest of its project with it if none of
        that runs. Raises Unhealthy, Refused or Gone."""
        project = labels_of(await self.api.container(found.id)).get(PROJECT, "")
        there = await self.api.listed(**{PROJECT: project})
        try:
            if any(each["State"] in ALIVE for each in there):
                await self.api.start(found.id)
            else:
                await self.projects.told(project, "start")
        except Answer as answer:
            failure = diagnose(None, (), error=str(answer))
            raise Unhealthy(str(found.replica), failure) from answer

    async def let_go(self, found: Seen) -> None:
        """Have it be its owner's again, as it is. It may be gone."""
        await self.api.take_mark(mark(str(found.replica), found.id, {}))

    async def sweep(self, service: str, there: Collection[str]) -> None:
        """Take away the marks of a service whose containers are none of these any more."""
        for each in await self.api.marks():
            if each.service == service and each.container not in there:
                await self.api.take_mark(each)

    async def there(self, read: Read) -> list[Standing]:
        """The containers of a project, whoever started them."""
        return standing.standing(await self.api.containers(**{PROJECT: read.project.name}))

    async def _incumbent(self, want: ServiceSpec, read: Read) -> Standing | None:
        there, made = await self.there(read), await self.projects.recipe(want, read)
        return standing.incumbent(want, read.project, there, read.files, made)

    async def _bring_up(self, replica: ReplicaId, plan: Plan, read: Read, tell: Tell) -> None:
        """Of what others started nothing is stopped or made anew while any of it runs."""
        there = await self.there(read)
        fetched = await self._fetch(read, there, tell)
        labels = adopted.labels(replica, plan, read.project, fetched[read.project.service])
        given = adopted.overlaid(read.project, labels, dict(plan.want.env), whole=False)
        up = Up(replica, read, given, plan.want.startup_budget, _others_run(read, there))
        remains = partial(self._remains, str(replica))
        down = partial(self.projects.told, read.project.name, "down")
        await self.projects.up(up, remains if there else down)

    async def _fetch(self, read: Read, there: list[Standing], tell: Tell) -> Mapping[str, str]:
        images, service = read.project.images, read.project.service
        needed = [service] if _others_run(read, there) else sorted(images)
        return {name: await self.images.fetch(images[name], tell) for name in needed}

    async def _remains(self, replica: str) -> None:
        """Take away what was made of a replica that did not come up."""
        for each in await self.api.containers(**{REPLICA: replica}):
            if TAKEN_OVER not in labels_of(each):
                await self.api.remove(each["Id"], volumes=False)


def _others_run(read: Read, there: list[Standing]) -> bool:
    return any(each.alive and each.service != read.project.service for each in there)
