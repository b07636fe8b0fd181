"""What people read for each class of failure, all in one file, to be judged as prose.

After a change of words: `python -m tests.commands.test_failures` writes the file anew.
"""

from __future__ import annotations

from pathlib import Path

from commands.replies import Reply, plain
from deployers.process import diagnosis as llama
from domain.diagnosis import Ending, diagnose, gave_up
from domain.errors import Failure, Unhealthy

HERE = Path(__file__).parent
SENTENCES = HERE / "failures.txt"
WRITTEN = HERE.parent / "domain" / "failures"
LLAMA = HERE.parent / "deployers" / "llama_logs"

ENDINGS = {
    "killed by the kernel": Ending(137, out_of_memory=True),
    "killed by somebody": Ending(137, out_of_memory=False),
    "signal 9": Ending(-9),
    "signal 11": Ending(139),
    "signal 4": Ending(132),
    "signal 6": Ending(134),
    "signal 15": Ending(143),
    "exit code 125": Ending(125),
    "exit code 126": Ending(126),
    "exit code 127": Ending(127),
    "exit code 3": Ending(3),
    "nobody knows": Ending(),
    "not even started": Ending(error="Range of CPUs is from 0.01 to 2.00"),
}


def told() -> str:
    """Every sentence, under what it is about."""
    found: dict[str, Failure] = {}
    for file in sorted(WRITTEN.glob("*.txt")):
        found[file.stem] = diagnose(Ending(1, log=tuple(file.read_text().splitlines())))
    for file in sorted(LLAMA.glob("*.txt")):
        found[f"llama.cpp: {file.stem}"] = llama.diagnose(5, file.read_text().splitlines())
    found["llama.cpp: signal 9"] = llama.diagnose(-9, ())
    found |= {name: diagnose(ending) for name, ending in ENDINGS.items()}
    found["not ready"] = gave_up(300, False, ())
    found["no token"] = gave_up(300, True, ())
    found["another name"] = gave_up(300, True, (), "qwen", ("Qwen/Qwen2.5-7B", "base"))
    return "\n".join(f"[{name}]\n{_sentence(failure)}\n" for name, failure in found.items())


def _sentence(failure: Failure) -> str:
    error = Unhealthy("qwen-3a608e-0", failure)
    error.standing = "The version before (24bd66) serves, 2 of 2."
    return plain(Reply.failed("deploy qwen", error).blocks[:1])


def test_the_sentences_are_the_ones_that_were_read_and_found_good():
    assert told() == SENTENCES.read_text(encoding="utf-8")


if __name__ == "__main__":
    SENTENCES.write_text(told(), encoding="utf-8")
