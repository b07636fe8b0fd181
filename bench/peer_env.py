"""Environments for the peers: each framework apart from ours and from the others."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

from bench.frameworks import Framework
from domain.errors import OpsError

_STAMP = "installed.txt"
_PATIENCE = 600.0


def environment(folder: Path, framework: Framework, *, sealed: bool) -> Path:
    """A Python with the framework in it, installed on the first call.

    Raises OpsError with pip's own reason when it does not install.
    """
    name = f"{framework.name}-{'encrypted' if sealed else 'plain'}"
    return installed(folder / name, framework.requirements(sealed=sealed))


def installed(home: Path, wanted: Sequence[str]) -> Path:
    """A Python in that folder with exactly those requirements asked of pip, now or before.

    Raises OpsError with pip's own reason when they do not install.
    """
    home = home.resolve()
    python, stamp = home / "bin" / "python", home / _STAMP
    if not stamp.exists() or stamp.read_text().split() != [*wanted]:
        stamp.unlink(missing_ok=True)
        _run([sys.executable, "-m", "venv", "--clear", str(home)])
        pip = [str(python), "-m", "pip", "install", "--disable-pip-version-check", "--quiet"]
        _run([*pip, *wanted])
        stamp.write_text("\n".join(wanted))
    return python


def reason(output: str) -> str:
    """Why pip failed, in one line (pure)."""
    lines = [line.strip() for line in output.splitlines() if line.strip()]
    errors = [line for line in lines if line.lower().startswith("error")]
    return (errors or lines or ["no reason given"])[-1]


def _run(argv: Sequence[str]) -> None:
    try:
        done = subprocess.run(argv, capture_output=True, text=True, timeout=_PATIENCE, check=False)  # noqa: S603
    except subprocess.TimeoutExpired:
        raise OpsError(f"did not install within {_PATIENCE:.0f} s") from None
    if done.returncode != 0:
        raise OpsError(f"does not install: {reason(done.stdout + done.stderr)}")
