"""Checksums of model files: worked out once, and never believed of another file."""

import hashlib
import os
from pathlib import Path

import pytest

from deployers.models import checksums as module
from deployers.models.checksums import Checksums, Known, identity

CONTENT = b"GGUF and so on" * 1000


@pytest.fixture
def file(tmp_path: Path) -> Path:
    made = tmp_path / "m.gguf"
    made.write_bytes(CONTENT)
    return made


def quiet(fraction: float) -> None:
    """Tells nobody."""


async def test_a_file_is_read_once(tmp_path: Path, file: Path, monkeypatch: pytest.MonkeyPatch):
    found = await Checksums(tmp_path).find_out(file, quiet)
    assert found == Known(hashlib.sha256(CONTENT).hexdigest())
    monkeypatch.setattr(module, "_sha256", None)
    assert await Checksums(tmp_path).find_out(file, quiet) == found


async def test_a_file_that_was_written_to_is_read_again(tmp_path: Path, file: Path):
    known = Checksums(tmp_path)
    before = await known.find_out(file, quiet)
    file.write_bytes(b"another")
    assert known.recall(file) is None
    assert await known.find_out(file, quiet) != before


async def test_a_file_put_in_its_place_with_the_same_date_is_another(tmp_path: Path, file: Path):
    known = Checksums(tmp_path)
    await known.find_out(file, quiet)
    other = tmp_path / "other"
    other.write_bytes(CONTENT[::-1])
    times = file.stat()
    os.utime(other, ns=(times.st_atime_ns, times.st_mtime_ns))
    other.replace(file)
    assert known.recall(file) is None


async def test_a_file_written_to_meanwhile_has_no_checksum(
    tmp_path: Path, file: Path, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr(module, "_CHUNK", 100)
    told: list[float] = []

    def tell(fraction: float) -> None:
        told.append(fraction)
        if len(told) == 3:
            with file.open("ab") as end:
                end.write(b"more")

    assert await Checksums(tmp_path).find_out(file, tell) is None
    assert Checksums(tmp_path).recall(file) is None
    assert told == sorted(told)


async def test_what_cannot_be_read_or_kept_is_no_error(tmp_path: Path, file: Path):
    assert await Checksums(tmp_path).find_out(tmp_path / "nothing", quiet) is None
    known = Checksums(file)  # a file where a folder should be
    assert await known.find_out(file, quiet) == Known(hashlib.sha256(CONTENT).hexdigest())
    assert known.recall(file) is None


@pytest.mark.parametrize("kept", ["", "[]", "{}", '{"identity": [1]}', "\0"])
async def test_damaged_notes_are_worked_out_again(tmp_path: Path, file: Path, kept: str):
    known = Checksums(tmp_path)
    found = await known.find_out(file, quiet)
    (notes,) = (tmp_path / ".known").iterdir()
    notes.write_text(kept)
    assert known.recall(file) is None
    assert await known.find_out(file, quiet) == found


def test_notes_know_the_commit(tmp_path: Path, file: Path):
    known = Known("1" * 64, "f" * 40)
    Checksums(tmp_path).note(file, known, identity(file))
    assert Checksums(tmp_path).recall(file) == known
