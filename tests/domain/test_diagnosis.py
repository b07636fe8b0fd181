"""What others wrote when they failed is understood: the class, and the figures in it."""

from __future__ import annotations

import signal
import subprocess
import sys
from pathlib import Path

import pytest

from domain.diagnosis import EVIDENCE, Ending, diagnose, gave_up
from domain.failure_classes import CLASSES
from domain.failure_signs import SIGNS

FAILURES = Path(__file__).with_name("failures")
FILES = sorted(FAILURES.glob("*.txt"))


def lines(name: str) -> tuple[str, ...]:
    return tuple((FAILURES / f"{name}.txt").read_text().splitlines())


def kind_of(file: Path) -> str:
    """The class a file is named after: the longest that its name begins with."""
    return max((kind for kind in CLASSES if file.stem.startswith(kind)), key=len)


@pytest.mark.parametrize("file", FILES, ids=lambda file: file.stem)
def test_what_was_written_is_understood_as_a_log_and_as_an_answer(file: Path):
    text = file.read_text()
    for ending in (Ending(1, log=tuple(text.splitlines())), Ending(error=text)):
        failure = diagnose(ending)
        assert failure.kind == kind_of(file)
        assert failure.evidence
        assert "{" not in failure.what + failure.advice


@pytest.mark.parametrize("file", FILES, ids=lambda file: file.stem)
def test_it_is_found_among_much_else(file: Path):
    before = [f"INFO 10-10 10:23:{n:02} loading weights: {n} of 60 shards" for n in range(60)]
    after = ["Traceback (most recent call last):", "  File 'x.py', line 1, in main"] * 20
    told = file.read_text().splitlines()
    failure = diagnose(Ending(1, log=(*before, *told, *after)))
    assert failure.kind == kind_of(file)
    assert failure.evidence[0] in told
    assert len(failure.evidence) <= EVIDENCE


def test_every_class_is_told_apart_by_a_sign_or_by_how_it_ended():
    by_signs = {kind_of(file) for file in FILES}
    by_their_end = {"killed", "segmentation-fault", "aborted", "stopped", "refused", "crashed"}
    on_llama_cpp = {"not-a-model", "missing-file"}
    assert by_signs | by_their_end | on_llama_cpp == set(CLASSES)


def test_every_sign_belongs_to_a_class():
    assert {sign.kind for sign in SIGNS} <= set(CLASSES)


@pytest.mark.parametrize(
    ("name", "what"),
    [
        (
            "kv-cache-too-small-estimate",
            "of a context of 262144 tokens, 34736 fit on the card beside the weights",
        ),
        (
            "cuda-out-of-memory-vllm",
            "the graphics card has 1.79 GiB free where 2.50 GiB more are needed",
        ),
        ("port-taken-docker", "port 8080 is taken"),
        ("port-taken-docker-20", "port 45455 is taken"),
        ("port-taken-docker-28", "port 45455 is taken"),
        ("no-gpu-docker-28-cdi", "its Docker engine knows no graphics card nvidia.com/gpu=7"),
        ("port-taken-ollama", "port 11434 is taken"),
        ("port-taken-uvicorn", "port 8000 is taken"),
        ("model-missing", "there is no model llama-2-7b-chat.ggmlv3.q8_0.bin, or it is private"),
        (
            "driver-mismatch-image",
            "the image needs CUDA 11.0, which the graphics driver is too old for",
        ),
    ],
)
def test_figures_that_were_written_are_told(name: str, what: str):
    assert diagnose(Ending(log=lines(name))).what == what


def test_the_root_cause_is_told_and_not_what_follows_from_it():
    """vLLM's parent reports its children's failure last, and in words that say nothing."""
    log = (*lines("cuda-out-of-memory-vllm"), "torch.cuda: No CUDA GPUs are available")
    assert diagnose(Ending(1, log=log)).kind == "cuda-out-of-memory"
    generic = ("RuntimeError: Engine core initialization failed. See root cause above.",)
    assert diagnose(Ending(1, log=generic)).kind == "crashed"


def test_of_two_lines_the_first_tells():
    log = ("Bind for 0.0.0.0:1 failed: port is already allocated",)
    second = ("Bind for 0.0.0.0:2 failed: port is already allocated",)
    assert diagnose(Ending(log=log + second)).what == "port 1 is taken"


@pytest.mark.parametrize(
    "log",
    [
        (),
        ("INFO server is up", "GET /health 200"),
        ("the user asked about memory, quotas and ports",),
        ("\ud800 \x00 }{ {0} %s",),
        ("UserWarning: Not enough free disk space to download the file.",),
    ],
)
def test_what_says_nothing_is_a_crash(log: tuple[str, ...]):
    assert diagnose(Ending(1, log=log)).kind == "crashed"


@pytest.mark.parametrize("unit", ["max seq len (1) KV cache ", "pull ", "_model_len (1) ", "a"])
def test_no_line_takes_long(unit: str):
    """Quadratic work would take minutes here."""
    log = tuple(unit * (1_000_000 // len(unit)) for _ in range(3))
    assert diagnose(Ending(1, log=log)).kind == "crashed"


@pytest.mark.parametrize(
    ("number", "kind"),
    [
        (signal.SIGKILL, "killed"),
        (signal.SIGSEGV, "segmentation-fault"),
        (signal.SIGILL, "illegal-instruction"),
        (signal.SIGABRT, "aborted"),
        (signal.SIGTERM, "stopped"),
        (signal.SIGFPE, "crashed"),
    ],
)
def test_a_signal_is_told_in_words_as_a_process_and_as_a_container_ends_by_it(number, kind):
    code = f"import os; os.kill(os.getpid(), {int(number)})"
    ended = subprocess.run([sys.executable, "-c", code], check=False).returncode
    assert ended == -number
    shell = subprocess.run(
        ["sh", "-c", f"{sys.executable} -c '{code}'; exit $?"], check=False, capture_output=True
    ).returncode
    assert shell == 128 + number
    for exit_code in (ended, shell):
        failure = diagnose(Ending(exit_code, log=("loading model",)))
        assert failure.kind == kind
        assert failure.what
    assert "AVX2" in diagnose(Ending(132)).what


@pytest.mark.parametrize(
    ("code", "what"),
    [
        (None, "it ended by itself"),
        (0, "it ended by itself (exit code 0)"),
        (3, "it ended by itself (exit code 3)"),
        (125, "the container engine could not start it (exit code 125)"),
        (126, "its command may not be executed (exit code 126)"),
        (127, "its command is not there (exit code 127)"),
        (-8, "it was ended by signal 8"),
        (255, "it ended by itself (exit code 255)"),
        (-1000, "it ended by itself (exit code -1000)"),
    ],
)
def test_an_end_that_nobody_explained_says_how(code: int | None, what: str):
    failure = diagnose(Ending(code, log=("", "loading model", " ")))
    assert failure.what == what
    assert failure.evidence == ("loading model",)


def test_a_kill_is_for_memory_only_where_the_kernel_says_so():
    assert diagnose(Ending(137, out_of_memory=True)).kind == "out-of-memory"
    assert diagnose(Ending(137, out_of_memory=None)).kind == "killed"
    spared = diagnose(Ending(137, out_of_memory=False))
    assert (spared.kind, spared.what) == (
        "stopped",
        "it was killed (signal 9), and not for its memory",
    )
    assert diagnose(Ending(5, out_of_memory=True)).kind == "out-of-memory"
    probed = Ending(137, out_of_memory=True, log=("Startup probe failed: connection refused",))
    assert diagnose(probed).kind == "out-of-memory"


@pytest.mark.parametrize(
    ("loaded", "stage"), [(True, "gave no token"), (False, "may still be loading")]
)
def test_giving_up_says_how_far_it_came(loaded: bool, stage: str):
    failure = gave_up(120.0, loaded, ["loading model"])
    assert failure.kind == "probe-timeout"
    assert failure.what.startswith("not ready after 120 s")
    assert stage in failure.what


def test_of_what_nobody_foresaw_the_first_error_is_shown_however_much_follows():
    """vLLM's processes tell of each other's end: a hundred lines, none of which says why."""
    cause = "(Worker pid=38) ERROR 11-27 12:19:02 [mp.py:1063] torch.X.InductorError: FileNotFound"
    before = [f"(Worker pid=38) INFO [a.py:{n}] limit may cause `OSError: [24]`" for n in range(9)]
    frame = "(EngineCore pid=26) ERROR 11-27 12:19:02 [core.py:1510]     raise RuntimeError("
    last = "RuntimeError: Engine core initialization failed. See root cause above."
    failure = diagnose(Ending(1, log=(*before, cause, *[frame] * 90, last)))
    assert failure.kind == "crashed"
    assert failure.evidence[0] == cause
    assert failure.evidence[-1] == last
    assert len(failure.evidence) == EVIDENCE
