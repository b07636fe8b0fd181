"""Everything up to a container that runs: the image, the weights, the card or the processor."""

from __future__ import annotations

import shlex
from dataclasses import dataclass, replace

from deployers.docker import hardware
from deployers.docker.api import CONFLICT, Answer, Api
from deployers.docker.compose.adopted import is_adopted
from deployers.docker.compose.adopting import Adoption
from deployers.docker.compose.driving import Compose
from deployers.docker.container import REPLICA, Container, Site, container, image
from deployers.docker.diagnosis import diagnose
from deployers.docker.found import Found
from deployers.docker.hardware import Choice
from deployers.docker.images import Images, Tell
from deployers.docker.offered import Offered
from deployers.docker.weights import Models
from deployers.engines import llamacpp, vllm
from deployers.engines.preset import Hardware
from deployers.engines.presets import presets
from domain import made_of
from domain.errors import Refused, Unhealthy, Unsupported
from domain.fit import Need
from domain.made_of import MadeOf
from domain.plans import Plan
from domain.progress import Progress, Report
from domain.replicas import Phase, ReplicaId
from domain.services import ServiceSpec


@dataclass(frozen=True, slots=True)
class Starting:
    """Starts replicas on one engine."""

    api: Api
    images: Images
    models: Models
    site: Site
    compose: Compose
    adoption: Adoption
    offered: Offered

    def choose(self, want: ServiceSpec, trouble: str | None) -> Choice:
        """Card or processor. Raises Unsupported."""
        return hardware.choose(want, trouble)

    def check(self, want: ServiceSpec, on: Hardware) -> str:
        """The image for such hardware. Raises Unsupported where there is none, and for a source
        that nothing here keeps."""
        self.site.shelf.find(want.source)
        engine = presets()[want.engine]
        found = image(want, engine, on, self.site)
        if found is None:
            kind = "the processor" if on == "cpu" else "a graphics card"
            named = f"name one, like {engine.spare[on]}," if on in engine.spare else "name one"
            raise Unsupported(
                f"{want.engine} has no image for {kind}",
                hint=f"{named} with `--image`, or under the target's images as {want.engine}-{on}",
            )
        return found

    def check_project(self, want: ServiceSpec, missing: str | None) -> None:
        """Raises Unsupported for one that is to be a Compose project and cannot be; `missing` is
        what keeps any from it."""
        self.compose.fit(want, self.site.shelf.find(want.source)[1], missing)

    async def prefetch(self, want: ServiceSpec, step: str, report: Report) -> None:
        """Have image and weights there. Raises Refused."""
        if is_adopted(want):
            await self.adoption.fetch(want, _telling(step, Phase.PULLING, report))
            return
        if self.compose.asked(want):
            await self.compose.check()
        choice = await self._choice(want)
        there = await self.images.fetch(
            self.check(want, choice.hardware), _telling(step, Phase.PULLING, report)
        )
        await self.models.fetch(want.source, there, _telling(step, Phase.DOWNLOADING, report))

    async def start(self, replica: ReplicaId, plan: Plan, step: str, report: Report) -> None:
        """Make the container and start it, on the processor if the engine has no card after all
        and any hardware will do. Raises Unhealthy or Refused; nothing is left behind then."""
        if is_adopted(plan.want):
            tell = _telling(step, Phase.PULLING, report)
            text = await self.adoption.start(replica, plan, tell)
            report(Progress(step, str(replica), Phase.LOADING, 1.0, text))
            return
        choice = await self._choice(plan.want)
        try:
            await self._start(replica, plan, choice, step, report)
        except _NoCard as no:
            if plan.want.gpu != "auto":
                raise Unhealthy(str(replica), diagnose(None, (), error=no.answer)) from no
            choice = Choice("cpu", no.why)
            report(Progress(step, str(replica), Phase.STARTING, text=f"no card: {no.why}"))
            await self._start(replica, plan, choice, step, report)
        report(Progress(step, str(replica), Phase.LOADING, 1.0, f"on the {choice}"))

    async def foresee(self, want: ServiceSpec) -> MadeOf:
        """What a replica would be made of now; empty while its image is not there.

        Raises Unsupported, or TargetError for an engine that does not answer.
        """
        if is_adopted(want):
            return ()
        choice = await self._choice(want)
        there = await self.images.known(self.check(want, choice.hardware))
        if there is None:
            return ()
        return _made_of(want, there, choice, await self.models.find(want.source, there))

    async def foretell(self, want: ServiceSpec) -> tuple[str, ...]:
        """What a plan has to say of what is there already. Raises Refused for what is in the way
        of it."""
        if is_adopted(want):
            return await self.adoption.foretell(want)
        if want.engine == "vllm" and want.source.scheme == "hf":
            await self.models.refuse_single_files(want.source)
        return ()

    async def need(self, want: ServiceSpec) -> Need | None:
        """Memory a replica would take, be its weights there or at their hub. None where that
        cannot be told."""
        if want.engine == "vllm" and want.source.scheme == "hf":
            repository = await self.models.repository(want.source)
            return vllm.need(want, repository) if repository else None
        if want.engine != "llamacpp":
            return None
        found = await self.models.foresee(want.source)
        return llamacpp.need(want, found.size, found.header) if found and found.size else None

    async def _choice(self, want: ServiceSpec) -> Choice:
        if want.gpu == "none":
            return Choice("cpu")
        return self.choose(want, await self.offered.trouble())

    async def _start(
        self, replica: ReplicaId, plan: Plan, choice: Choice, step: str, report: Report
    ) -> None:
        want = plan.want
        tell = _telling(step, Phase.PULLING, report)
        there = await self.images.fetch(self.check(want, choice.hardware), tell)
        found = await self.models.find(want.source, there)
        wanted = container(
            replica,
            want,
            presets()[want.engine],
            choice.hardware,
            self.site,
            image=there,
            operation=plan.operation,
            made_of=_made_of(want, there, choice, found),
            context=found.header.context if found else None,
            secrets=self.models.environment(want.source),
        )
        if wanted.gpus:
            wanted = replace(wanted, devices=await self.offered.named(wanted.gpus))
        try:
            await self._bring_up(wanted, composed=self.compose.asked(want))
        except Answer as answer:
            raise await self._refused(replica, choice, answer) from answer

    async def _bring_up(self, wanted: Container, *, composed: bool) -> None:
        if composed:
            await self.compose.up(wanted)
            return
        await self.api.create(wanted)
        await self.api.start(wanted.name)

    async def _refused(self, replica: ReplicaId, choice: Choice, answer: Answer) -> Exception:
        if answer.status == CONFLICT and "is already in use by container" in str(answer):
            return Refused(
                f"a container that is not Gantry's has the name {replica}",
                hint="rename or remove it on the target's host",
            )
        for left in await self.api.containers(**{REPLICA: str(replica)}):
            await self.api.remove(left["Id"])
        why = hardware.refused(str(answer))
        if why and choice.hardware == "cuda":
            return _NoCard(why, str(answer))
        return Unhealthy(str(replica), diagnose(None, (), error=str(answer)))


def _made_of(want: ServiceSpec, there: str, choice: Choice, found: Found | None) -> MadeOf:
    told = (made_of.IMAGE, there), (made_of.HARDWARE, str(choice))
    said = shlex.join(f"{k}={v}" for k, v in want.settings)
    return (*told, *(found.made_of if found else ()), *([(made_of.COMMAND, said)] if said else []))


class _NoCard(Exception):
    """The engine could not give a card after all."""

    def __init__(self, why: str, answer: str) -> None:
        super().__init__(why)
        self.why, self.answer = why, answer


def _telling(step: str, phase: Phase, report: Report) -> Tell:
    return lambda fraction, text: report(Progress(step, None, phase, fraction, text))
