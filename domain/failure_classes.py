"""The classes of failure there are, as data: what each is called, what it means, what to try."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class FailureClass:
    """One kind of failure."""

    kind: str
    what: str
    """For a sentence that begins with the replica's name; what a sign found out replaces it."""
    advice: str
    """The next step, in commands of ours where there is one."""
    retryable: bool = False
    """Whether the same again may work with nothing changed."""


CLASSES: Mapping[str, FailureClass] = {
    each.kind: each
    for each in (
        FailureClass(
            "out-of-memory",
            "it needs more memory than there is",
            "try a smaller quantisation or a smaller `--ctx`, or a target with more memory",
        ),
        FailureClass(
            "cuda-out-of-memory",
            "the graphics card has too little free memory for it",
            "try a smaller quantisation or a smaller `--ctx`, or stop what else is on the card; "
            "`!status` shows what runs",
        ),
        FailureClass(
            "kv-cache-too-small",
            "the weights fit on the card, but the context does not fit beside them",
            "deploy it with a smaller `--ctx`, or on a card with more memory",
        ),
        FailureClass(
            "context-too-long",
            "the context is longer than the model was made for",
            "leave `--ctx` out, or ask for less",
        ),
        FailureClass(
            "image-denied",
            "the registry does not let the target have the image",
            "check the image's name; for a private one log the target in to its registry",
        ),
        FailureClass(
            "image-missing",
            "there is no such image",
            "check the image's name and tag",
        ),
        FailureClass(
            "image-foreign",
            "the image is for another kind of processor than the target's",
            "name one that is built for it with `--image`, or take another target",
        ),
        FailureClass(
            "registry-away",
            "the image's registry cannot be reached from the target",
            "check the image's name, and the target's way to its registry",
            retryable=True,
        ),
        FailureClass(
            "image-limit",
            "the registry lets the target fetch no more images for now",
            "log the target in to the registry, or wait some hours and say it again",
            retryable=True,
        ),
        FailureClass(
            "gated-model",
            "the model is gated",
            "accept its terms on its page with the account whose token is used, and set HF_TOKEN",
        ),
        FailureClass(
            "model-missing",
            "there is no such model, or it is private",
            "check its name; for a private one set HF_TOKEN",
        ),
        FailureClass(
            "not-a-model",
            "the file is cut short, damaged or no model of this engine",
            "fetch the file again; its download may have been interrupted",
        ),
        FailureClass(
            "missing-file",
            "the model file cannot be opened",
            "check that the file is there and may be read by the server",
        ),
        FailureClass(
            "unsupported-architecture",
            "the engine does not know the model's architecture",
            "use a newer version of the engine, or choose another model",
        ),
        FailureClass(
            "wrong-option",
            "its engine does not take an option as it was given",
            "check what was said with `--set`; another version of the engine may take it",
        ),
        FailureClass(
            "unsupported-gpu",
            "the graphics card is too old, or too new, for this build of the engine",
            "use a build for this card, or another target; `!targets` shows what there is",
        ),
        FailureClass(
            "driver-mismatch",
            "the graphics driver is older than the engine needs",
            "update the driver on the target, or use an image built for an older CUDA",
        ),
        FailureClass(
            "gpu-lost",
            "the container has lost its graphics card, as after `systemctl daemon-reload`",
            "`!restart` gives it the card again",
            retryable=True,
        ),
        FailureClass(
            "no-gpu",
            "it finds no graphics card",
            "deploy it with `--gpu none`, or on a target that has one; `!targets` shows which",
        ),
        FailureClass(
            "quota",
            "a quota does not allow it",
            "scale something else down, ask for less, or have the quota raised",
        ),
        FailureClass(
            "no-room",
            "no machine of the target has room for it",
            "scale something else down, or ask for less; `!status` shows what runs",
            retryable=True,
        ),
        FailureClass(
            "disk-full",
            "the disk is full",
            "make room on the target and say it again",
        ),
        FailureClass(
            "port-taken",
            "its port is taken",
            "choose another port, or stop what uses this one",
            retryable=True,
        ),
        FailureClass(
            "no-engine",
            "what should run it is not installed",
            "install the engine on the target, or check its image and command",
        ),
        FailureClass(
            "probe-timeout",
            "it did not get ready in time",
            "`!logs` may show why; a slow disk or a large model may need a longer `startup_budget` "
            "among its environment's defaults",
            retryable=True,
        ),
        FailureClass(
            "killed",
            "it was killed, most likely for the memory it took",
            "try a smaller quantisation or a smaller `--ctx`; the kernel's log on the target "
            "tells for certain",
            retryable=True,
        ),
        FailureClass(
            "illegal-instruction",
            "this build needs a newer processor, such as one with AVX2",
            "use a build for this processor, or another target",
        ),
        FailureClass(
            "segmentation-fault",
            "it crashed: a segmentation fault, which is a bug in the engine or a damaged model",
            "fetch the model again or use another version of the engine; `!logs` shows how far "
            "it came",
            retryable=True,
        ),
        FailureClass(
            "aborted",
            "it gave up by itself (abort), mostly after saying why",
            "`!logs` shows its last words",
            retryable=True,
        ),
        FailureClass(
            "stopped",
            "something outside asked it to end",
            "see who stops it on the target, then `!restart`",
            retryable=True,
        ),
        FailureClass(
            "refused",
            "its target will not start it",
            "the target's own answer says what to change",
        ),
        FailureClass(
            "crashed",
            "it ended by itself",
            "`!logs` shows its last words",
            retryable=True,
        ),
    )
}
"""By name, in the order of docs/failures.md."""

SIGNALS: Mapping[int, str] = {
    4: "illegal-instruction",
    6: "aborted",
    9: "killed",
    11: "segmentation-fault",
    2: "stopped",
    15: "stopped",
}
"""Signal -> what it means when nothing else tells (Linux, signal(7))."""

EXIT_CODES: Mapping[int, tuple[str, str]] = {
    125: ("crashed", "the container engine could not start it (exit code 125)"),
    126: ("no-engine", "its command may not be executed (exit code 126)"),
    127: ("no-engine", "its command is not there (exit code 127)"),
}
"""What shells and container engines mean by their own exit codes."""
