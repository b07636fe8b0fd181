"""Finding a model's weights on this machine, fetching them first where they come from a hub."""

from __future__ import annotations

from dataclasses import dataclass, field
from difflib import get_close_matches
from pathlib import Path

from deployers.models.bundled import bundled
from deployers.models.checksums import Checksums
from deployers.models.gguf import MAGIC, Header, read_header
from deployers.models.glances import Glances
from deployers.models.hub import Hub
from deployers.models.transfer import Tell
from deployers.process.launch import ModelFile
from deployers.protocol import Stocked
from domain.errors import OpsError, Refused, Unsupported
from domain.proposals import quantisation
from domain.sources import Source

_ELSEWHERE = {
    "s3": "docker and kubernetes",
    "mlflow": "docker and kubernetes",
    "oci": "docker and kubernetes",
    "ollama": "docker",
    "compose": "docker",
}
_LOOKS_LIKE = {
    b"PK\x03\x04": "a PyTorch pickle or zip archive",
    b"\x80\x02": "a Python pickle",
    b"\x80\x04": "a Python pickle",
    b"<!do": "a web page, most likely a download that went wrong",
    b"<htm": "a web page, most likely a download that went wrong",
    b"vers": "a Git LFS pointer; run `git lfs pull` beside it",
    b"\x1f\x8b": "a gzip archive",
}


def check(source: Source) -> None:
    """Raises Unsupported for a source this kind of target never serves, with another way."""
    if source.scheme in _ELSEWHERE:
        raise Unsupported(
            f"a process target does not fetch {source.scheme}://",
            hint=f"that is for {_ELSEWHERE[source.scheme]} targets; here write "
            "hf://org/repo/file.gguf or path:/models/file.gguf",
        )
    if source.scheme == "hf" and not (source.file or "").endswith(".gguf"):
        raise Unsupported(
            f"llama.cpp serves one GGUF file, and {source} does not name one",
            hint=f"pick a file of the repository: hf://{source.repository}/NAME.gguf",
        )
    if source.scheme == "tiny":
        bundled(source)


@dataclass(frozen=True, slots=True)
class Models:
    """The models of one machine. A file under `directory` is whole and verified."""

    directory: Path
    hub: Hub
    glances: Glances = field(init=False, compare=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "glances", Glances(self.hub))

    @property
    def checksums(self) -> Checksums:
        """What is known of the content of each."""
        return Checksums(self.directory)

    async def fetch(self, source: Source, tell: Tell) -> Path:
        """Have the weights here and return their file. What is here already is not asked for.

        Raises Refused or Unreachable in words that say what to do.
        """
        path = self._place(source)
        if source.scheme == "hf" and not path.exists():
            await self.hub.download(source, path, tell, self.checksums)
        _check_file(path)
        return path

    def find(self, source: Source) -> ModelFile:
        """The file a replica is to serve, with what its header says. Raises Refused."""
        path = self._place(source)
        _check_file(path)
        return _model(path, path.stat().st_size, _header(path))

    def known(self, source: Source) -> ModelFile | None:
        """The file as `find` has it; None while it is not here or no model."""
        try:
            return self.find(source)
        except (Refused, Unsupported):
            return None

    async def foreseen(self, source: Source) -> ModelFile | None:
        """The file as it is here or, where it has to be fetched, as its hub has it. None for what
        is not to be had, or of which the hub does not tell the size."""
        if model := self.known(source):
            return model
        try:
            there = await self.glances.at(source) if source.scheme == "hf" else None
            path = self._place(source)
        except OpsError:
            return None
        return _model(path, there.size, there.header) if there and there.size else None

    async def stock(self, source: Source) -> Stocked:
        """Whether the file is here, how large it is, and what keeps it from being fetched."""
        try:
            if source.scheme == "hf" and not self._place(source).exists():
                there = await self.glances.at(source)
                return Stocked(here=False, size=there.size)
            return Stocked(here=True, size=self.find(source).size)
        except OpsError as error:
            return Stocked(here=False, trouble=error.summary)

    def _place(self, source: Source) -> Path:
        check(source)
        if source.scheme == "tiny":
            return bundled(source)
        if source.scheme == "path":
            return Path(source.location)
        revision = (source.revision or "main").replace("/", "--")
        return self.directory / "hf" / source.repository / revision / str(source.file)


def _model(path: Path, size: int, said: Header) -> ModelFile:
    kept = said.quantisation or quantisation(path.name)
    return ModelFile(path, size, said.context, said.cache_per_token, said.buffers_per_token, kept)


def _header(path: Path) -> Header:
    try:
        with path.open("rb") as file:
            return read_header(file)
    except ValueError:
        return Header()  # llama.cpp will say what is wrong with it, and better


def _check_file(path: Path) -> None:
    try:
        with path.open("rb") as file:
            beginning = file.read(16)
    except FileNotFoundError as error:
        raise Refused(f"there is no {path} on this machine", hint=_alike(path)) from error
    except IsADirectoryError as error:
        raise Refused(f"{path} is a directory", hint=_inside(path)) from error
    except PermissionError as error:
        raise Refused(f"the bot may not read {path}", hint=f"chmod a+r {path}") from error
    except OSError as error:
        raise Refused(f"{path} cannot be read: {error.strerror}") from error
    if not beginning:
        raise Refused(f"{path} is empty", hint="its download was cut short; fetch it again")
    if not beginning.startswith(MAGIC):
        like = _likeness(path, beginning)
        raise Refused(f"{path} is not a GGUF file{like}", hint="llama.cpp serves GGUF files only")


def _likeness(path: Path, beginning: bytes) -> str:
    if beginning[8:9] == b"{" or path.suffix == ".safetensors":
        return "; it looks like safetensors, convert it with llama.cpp's convert_hf_to_gguf.py"
    for magic, what in _LOOKS_LIKE.items():
        if beginning.lower().startswith(magic.lower()):
            return f"; it looks like {what}"
    return ""


def _alike(path: Path) -> str:
    there = [entry.name for entry in path.parent.glob("*.gguf")] if path.parent.is_dir() else []
    close = get_close_matches(path.name, there, n=1)
    return f"did you mean {path.parent / close[0]}?" if close else "check the path"


def _inside(path: Path) -> str:
    there = sorted(entry.name for entry in path.glob("*.gguf"))
    return f"name a file in it: path:{path / there[0]}" if there else "name a .gguf file"
