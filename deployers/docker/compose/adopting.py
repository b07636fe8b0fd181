"""Brings a project that is there already up by its own files, and takes it down again."""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial

from deployers.docker.api import Api
from deployers.docker.compose import adopted, standing
from deployers.docker.compose.driving import whole
from deployers.docker.compose.program import HOW
from deployers.docker.compose.projects import Projects, Read, Up
from deployers.docker.compose.taking_over import TakingOver
from deployers.docker.container import ADOPTED, PROJECT
from deployers.docker.images import Images, Tell
from domain.errors import Refused, Unsupported
from domain.plans import Plan
from domain.replicas import ReplicaId
from domain.services import ServiceSpec


@dataclass(frozen=True, slots=True)
class Adoption:
    """Adopts projects for services of one engine.

    Every container of such a project is labelled, so that the whole of it is found again and ends
    with the service. One that ran before by itself is a stranger's, and is left alone, unless it
    is to be taken over: then one container of it is Gantry's, and no other ever.
    """

    api: Api
    projects: Projects
    images: Images
    taking_over: TakingOver

    def check(self, want: ServiceSpec, target: str, missing: str | None) -> None:
        """Raises Unsupported for what cannot be adopted; `missing` is what Compose lacks."""
        adopted.check(want, target, self.projects.folder)
        if missing:
            raise Unsupported(f"no Compose project can be adopted: {missing}", hint=HOW)

    async def foretell(self, want: ServiceSpec) -> tuple[str, ...]:
        """What a plan has to say of what is there already, a sentence each. Nothing where its
        files cannot be read, which may quote them. Raises Refused where that is in the way."""
        try:
            read = await self.projects.read(want)
        except Refused:
            return ()
        if want.take_over:
            return await self.taking_over.foretell(want, read)
        await self._no_strangers(read, want.name)
        return ()

    async def fetch(self, want: ServiceSpec, tell: Tell) -> None:
        """Read the project and have its images there. Raises Refused."""
        await self.projects.program.version()
        read = await self.projects.read(want)
        if want.take_over:
            await self.taking_over.fetch(want, read, tell)
            return
        await self._no_strangers(read, want.name)
        for image in sorted(set(read.project.images.values())):
            await self.images.fetch(image, tell)

    async def start(self, replica: ReplicaId, plan: Plan, tell: Tell) -> str:
        """Bring the project up with our labels on it, or leave nothing of it but its volumes; or
        take over what runs of it. Returns which it was.

        Who stops waiting waits for the end of it all the same. Raises Unhealthy or Refused.
        """
        want = plan.want
        read = await self.projects.read(want)
        if want.take_over:
            return await self.taking_over.start(replica, plan, read, tell)
        await self._no_strangers(read, want.name)
        project = read.project
        there = {name: await self.images.fetch(i, tell) for name, i in project.images.items()}
        labels = adopted.labels(replica, plan, project, there[project.service])
        given = adopted.overlaid(project, labels, dict(want.env))
        down = partial(self.projects.told, project.name, "down")
        await self.projects.up(Up(replica, read, given, want.startup_budget), down)
        return "the project is up"

    async def halt(self, service: str) -> None:
        """Stop all of its project, and leave it there to be looked at."""
        for project in await self._projects(service):
            await self.projects.told(project, "stop")

    async def end(self, project: str) -> None:
        """Take a project down: its containers and networks. Volumes stay."""
        await whole(self.projects.told(project, "down"), f"compose down {project}")

    async def end_all(self, service: str) -> None:
        """Take down whatever is left that was adopted for a service."""
        for project in await self._projects(service):
            await self.end(project)

    async def _no_strangers(self, read: Read, service: str) -> None:
        there = await self.taking_over.there(read)
        standing.refuse_strangers(read.project, service, there, self.taking_over.clock.now())

    async def _projects(self, service: str) -> list[str]:
        found = await self.api.containers(**{ADOPTED: service})
        return sorted({each["Config"]["Labels"][PROJECT] for each in found})
