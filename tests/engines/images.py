"""Images made from what this machine has: no registry is asked, nothing is installed."""

from __future__ import annotations

import hashlib
import os
import tarfile
from dataclasses import dataclass, replace
from pathlib import Path

import docker

from tests.engines import archives, contents
from tests.engines.archives import add_file, add_folder, add_link, add_text

CACHE = Path(__file__).parents[2] / ".gantry-cache"
"""What runs of tests leave to later ones; git ignores it."""
PROGRAMS = Path(__file__).parent / "programs"


@dataclass(frozen=True)
class Image:
    """An image, and the recipe for it."""

    name: str
    tag: str
    program: str
    """A file of `programs`, which becomes the entry point."""
    entrypoint: str
    packages: tuple[str, ...] = ()
    """Installed here, and put beside the program."""
    changes: tuple[str, ...] = ()
    """Lines of a Dockerfile."""

    @property
    def reference(self) -> str:
        """What a container is started from."""
        return f"{self.name}:{self.tag}"

    def archive(self) -> Path:
        """Its files as a tar, made unless this very one was made before."""
        cache, files = CACHE / "images", self._files()
        kept = cache / f"{self.name.replace('/', '-')}-{self._fingerprint(files)}.tar"
        if not kept.exists():
            cache.mkdir(parents=True, exist_ok=True)
            draft = cache / f"{kept.name}.{os.getpid()}"
            try:
                self._write(draft, files)
                draft.replace(kept)
            finally:
                draft.unlink(missing_ok=True)
            for older in cache.glob(f"{self.name.replace('/', '-')}-*.tar"):
                if older != kept:
                    older.unlink(missing_ok=True)
        return kept

    def load(self, client: docker.DockerClient) -> None:
        """Put it into an engine."""
        changes = [
            "ENV PATH=/usr/local/bin:/usr/bin:/bin PYTHONDONTWRITEBYTECODE=1",
            "WORKDIR /app",
            f'ENTRYPOINT ["/app/{self.entrypoint}"]',
            *self.changes,
        ]
        told = client.api.import_image_from_file(
            str(self.archive()), repository=self.name, tag=self.tag, changes=changes
        )
        assert '"error"' not in told, told

    def _files(self) -> contents.Files:
        files = contents.python() | contents.programs()
        for name in self.packages:
            files |= contents.package(name, "app")
        files |= contents.libraries(files.values())
        return files | {f"app/{self.entrypoint}": PROGRAMS / self.program}

    def _fingerprint(self, files: contents.Files) -> str:
        """Of what goes in: the names, sizes and times of files, and how they are put together."""
        digest = hashlib.sha256(Path(__file__).read_bytes())
        digest.update(Path(archives.__file__).read_bytes())
        digest.update(" ".join(contents.applets()).encode())
        for name, path in sorted(files.items()):
            state = path.stat()
            digest.update(f"{name} {state.st_size} {state.st_mtime_ns}\n".encode())
        return digest.hexdigest()[:16]

    def _write(self, target: Path, files: contents.Files) -> None:
        with tarfile.open(target, "w") as tar:
            for name, path in sorted(files.items()):
                program = name == f"app/{self.entrypoint}"
                add_file(tar, name, path, 0o755 if program else None)
            for applet in contents.applets():
                add_link(tar, f"bin/{applet}", "busybox")
            add_folder(tar, "tmp", 0o1777)
            add_text(tar, "etc/passwd", "root:x:0:0:root:/root:/bin/sh\nnobody:x:65534:65534::/:\n")
            add_text(tar, "etc/group", "root:x:0:\nnogroup:x:65534:\n")


LLAMACPP = Image(
    name="gantry-test/llamacpp",
    tag="1",
    program="llama_server.py",
    entrypoint="llama-server",
    packages=("xllamacpp",),
    changes=(
        "ENV LLAMA_ARG_HOST=0.0.0.0",
        'HEALTHCHECK CMD ["curl", "-f", "http://localhost:8080/health"]',
    ),
)
"""The real llama.cpp server, looking like the official image from outside."""

STUB = Image(
    name="gantry-test/stub",
    tag="1",
    program="stub_server.py",
    entrypoint="stub-server",
    changes=(
        "HEALTHCHECK --interval=1s --timeout=2s --retries=2 "
        "CMD curl -fsS -m 1 http://localhost:${PORT:-8080}/health",
    ),
)
"""Serves nothing and fails as asked: `programs/stub_server.py` says how."""

CALM = replace(
    STUB,
    tag="calm",
    changes=(
        "HEALTHCHECK --interval=30s CMD curl -fsS -m 1 http://localhost:${PORT:-8080}/health",
    ),
)
"""The same, checked as seldom as the images people use: fifty that are checked every second keep a
small machine busy with nothing else."""

IMAGES = (LLAMACPP, STUB)
"""What every engine of a test run has."""
