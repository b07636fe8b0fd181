"""The image for tests of graphics cards: the real llama.cpp, with a `nvidia-smi` beside it."""

from __future__ import annotations

import io
import tarfile

import docker

from tests.engines.images import LLAMACPP, PROGRAMS

REFERENCE = "gantry-test/llamacpp-cuda:1"

LOSE_CARD = ["touch", "/tmp/nvml-lost"]
FALL_ILL, GET_WELL = ["touch", "/tmp/ill"], ["rm", "/tmp/ill"]
"""Run inside, these change what `nvidia-smi` and the health check say."""

_CHECK = 'HEALTHCHECK --interval=1s --retries=1 CMD ["sh", "-c", "! test -e /tmp/ill"]'


def load(client: docker.DockerClient) -> None:
    """Put it into an engine that has the image it is made from."""
    shelf = client.containers.create(LLAMACPP.reference)
    try:
        shelf.put_archive("/usr/bin", _program())
        shelf.commit(*REFERENCE.split(":"), changes=[_CHECK])
    finally:
        shelf.remove(force=True)


def _program() -> bytes:
    content, buffer = (PROGRAMS / "nvidia_smi.sh").read_bytes(), io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w") as tar:
        entry = tarfile.TarInfo("nvidia-smi")
        entry.size, entry.mode = len(content), 0o755
        tar.addfile(entry, io.BytesIO(content))
    return buffer.getvalue()
