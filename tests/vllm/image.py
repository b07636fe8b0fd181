"""An image that looks like vLLM's own from outside, made of the Python that has vLLM: no registry.

As docker/Dockerfile and docker/Dockerfile.cpu of its repository have it: root, /vllm-workspace, a
C++ compiler for what it compiles as it loads, no curl, no health check, and an entrypoint that is
`vllm serve` in newer ones and the module of the server in older ones.
"""

from __future__ import annotations

import hashlib
import os
import subprocess
import tarfile
from collections.abc import Iterable
from pathlib import Path

from docker import DockerClient

from tests.engines import contents
from tests.engines.archives import add_file, add_folder, add_link, add_text
from tests.engines.contents import Files
from tests.engines.images import CACHE

NEWER = "gantry-test/vllm:serve"
OLDER = "gantry-test/vllm:module"
"""The same with the entrypoint that images up to 0.10 have."""

_MODULE = '["python3", "-m", "vllm.entrypoints.openai.api_server"]'
_CHANGES = [
    "ENV PATH=/usr/local/bin:/usr/bin:/bin:/sbin VLLM_USAGE_SOURCE=production-docker-image",
    "WORKDIR /vllm-workspace",
    'ENTRYPOINT ["vllm", "serve"]',
]
_COMPILER = (
    *("gcc", "g++", "gcc-12", "g++-12", "cpp-12", "libgcc-12-dev", "libstdc++-12-dev"),
    *("libc6-dev", "linux-libc-dev"),
    *("binutils", "binutils-common", "binutils-x86-64-linux-gnu"),
)
"""Packages of Debian 12."""
_LEFT_OUT = ("triton", "pip", "torch/test")
"""A gigabyte that it does without: on the processor it says that it has no use for Triton."""
_START = """#!/usr/local/bin/python3
import sys

from vllm.entrypoints.cli.main import main

if __name__ == "__main__":
    sys.exit(main())
"""


def load(client: DockerClient, python: Path) -> None:
    """Put both images into an engine. The file between, of three gigabytes, is kept for later."""
    name, tag = NEWER.split(":")
    told = client.api.import_image_from_file(
        str(_archive(python)), repository=name, tag=tag, changes=_CHANGES
    )
    assert '"error"' not in told, told
    older = client.containers.create(NEWER, ["--help"])
    older.commit(*OLDER.split(":"), changes=[f"ENTRYPOINT {_MODULE}", "CMD []"])
    older.remove()


def _archive(python: Path) -> Path:
    files = _files(python)
    kept = CACHE / "images" / f"vllm-{_fingerprint(files)}.tar"
    if not kept.exists():
        kept.parent.mkdir(parents=True, exist_ok=True)
        for older in kept.parent.glob("vllm-*.tar"):
            older.unlink()
        draft = kept.with_suffix(f".{os.getpid()}")
        try:
            _write(draft, files)
            draft.replace(kept)
        finally:
            draft.unlink(missing_ok=True)
    return kept


def _files(python: Path) -> Files:
    """Path in the image to the file that is copied there."""
    asked = ", ".join(f"sysconfig.get_path('{each}')" for each in ("stdlib", "purelib", "include"))
    told = subprocess.run(
        [python, "-c", f"import sysconfig; print({asked})"],
        check=True,
        capture_output=True,
        text=True,
    )
    stdlib, site, headers = map(Path, told.stdout.split())
    there = f"usr/local/lib/{stdlib.name}"
    files = {"usr/local/bin/python3": python.resolve(), "sbin/ldconfig": Path("/sbin/ldconfig")}
    for program in ("lscpu", "openssl"):  # it looks at the processor, and what it compiled
        files[f"usr/bin/{program}"] = Path(f"/usr/bin/{program}")
    files |= _tree(stdlib, there, ("site-packages", "test", "idlelib", "tkinter", "ensurepip"))
    files |= _tree(site, f"{there}/site-packages", _LEFT_OUT)
    files |= _tree(headers, f"usr/local/include/{headers.name}", ())
    for package in _COMPILER:
        files |= _of_debian(package)
    files |= contents.programs()
    del files["usr/bin/curl"]
    return files | _libraries(files.values(), site)


def _tree(root: Path, there: str, left_out: Iterable[str]) -> Files:
    found = {}
    for folder, below, names in os.walk(root):
        inside = Path(folder).relative_to(root)
        below[:] = [name for name in below if str(inside / name) not in left_out]
        found |= {os.path.normpath(f"{there}/{inside}/{n}"): Path(folder, n) for n in names}
    return found


def _of_debian(package: str) -> Files:
    asked = ["dpkg", "-L", package]
    told = subprocess.run(asked, check=True, capture_output=True, text=True).stdout.splitlines()
    return {
        line.lstrip("/"): Path(line)
        for line in told
        if "/share/" not in line and Path(line).is_file()
    }


def _libraries(files: Iterable[Path], site: Path) -> Files:
    """What they are linked to, but for what comes along anyhow."""
    linked = [each for each in files if ".so" in each.name or os.access(each, os.X_OK)]
    found = contents.libraries(linked)
    return {name: path for name, path in found.items() if not path.is_relative_to(site)}


def _fingerprint(files: Files) -> str:
    digest = hashlib.sha256(Path(__file__).read_bytes())
    for name, path in sorted(files.items()):
        digest.update(f"{name} {path.stat().st_size}\n".encode())
    return digest.hexdigest()[:16]


def _write(target: Path, files: Files) -> None:
    with tarfile.open(target, "w") as tar:
        for name, path in sorted(files.items()):
            add_file(tar, name, path)
        for applet in contents.applets():
            if f"usr/bin/{applet}" not in files:
                add_link(tar, f"bin/{applet}", "busybox")
        for folder, mode in (("tmp", 0o1777), ("vllm-workspace", 0o755), ("root", 0o700)):
            add_folder(tar, folder, mode)
        add_text(tar, "etc/passwd", "root:x:0:0:root:/root:/bin/sh\n")
        add_text(tar, "etc/group", "root:x:0:\n")
        add_text(tar, "usr/local/bin/vllm", _START, 0o755)
