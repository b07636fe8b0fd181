"""The words that give each class of failure away, as data.

They are those of vLLM, llama.cpp, Ollama, PyTorch, huggingface_hub, Docker, containerd,
Kubernetes, the NVIDIA container runtime and AWS; tests/domain/failures has them as they were
written.
"""

from __future__ import annotations

import re
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Sign:
    """Words that give a class away."""

    kind: str
    pattern: re.Pattern[str]
    what: str = ""
    """Says more than the class does; `{name}` stands for what the pattern's group found."""
    advice: str = ""
    """The same for what to do."""


def sign(kind: str, pattern: str, what: str = "", advice: str = "") -> Sign:
    """A sign whose pattern is found in either case."""
    return Sign(kind, re.compile(pattern, re.IGNORECASE), what, advice)


SIGNS: tuple[Sign, ...] = (
    sign(
        "kv-cache-too-small",
        r"max seq len \((?P<asked>\d+)\).*KV cache.*"
        r"estimated maximum model length is (?P<fits>\d+)",
        "of a context of {asked} tokens, {fits} fit on the card beside the weights",
        "deploy it with `--ctx {fits}` or less, or on a card with more memory",
    ),
    sign(
        "kv-cache-too-small",
        r"max seq len \((?P<asked>\d+)\) is larger than the maximum number of tokens that can be "
        r"stored in KV cache \((?P<fits>\d+)\)",
        "of a context of {asked} tokens, {fits} fit on the card beside the weights",
        "deploy it with `--ctx {fits}` or less, or on a card with more memory",
    ),
    sign(
        "kv-cache-too-small",
        r"max seq len \((?P<asked>\d+)\), \(?(?P<need>[\d.]+ GiB) KV cache is needed, which is "
        r"larger than the available KV cache memory \((?P<have>[\d.]+ GiB)\)",
        "a context of {asked} tokens takes {need} beside the weights, and {have} are left",
    ),
    sign("kv-cache-too-small", r"No available memory for the cache blocks"),
    sign(
        "context-too-long",
        r"max_model_len \((?P<asked>\d+)\) is greater than the derived max_model_len "
        r"\([^)]*?=(?P<most>\d+)",
        "a context of {asked} tokens is longer than the {most} that the model was made for",
        "leave `--ctx` out, or ask for {most} or less",
    ),
    sign(
        "cuda-out-of-memory",
        r"CUDA out of memory\. Tried to allocate (?P<need>[\d.]+ \wiB).*?"
        r"of which (?P<free>[\d.]+ \wiB) is free",
        "the graphics card has {free} free where {need} more are needed",
    ),
    sign(
        "cuda-out-of-memory",
        r"Free memory on device [^(]*\((?P<free>[\d.]+)/[\d.]+ GiB\) on startup is less than "
        r"desired GPU memory utilization \((?P<share>[\d.]+), (?P<need>[\d.]+) GiB\)",
        "vLLM takes {share} of a graphics card, {need} GiB, and {free} GiB are free",
        "say `--set gpu-memory=` with a smaller share, or stop what else is on the card; in an "
        "update `--strategy recreate` stops the old version first",
    ),
    sign("cuda-out-of-memory", r"CUDA (?:error: )?out of memory|cudaMalloc failed: out of memory"),
    sign("cuda-out-of-memory", r"unable to allocate CUDA\d+ buffer|CUDA_ERROR_OUT_OF_MEMORY"),
    sign(
        "disk-full",
        r"no space left on device|\[Errno 28\]|\(os error 28\)|disk quota exceeded",
    ),
    sign("image-limit", r"toomanyrequests|pull rate limit"),
    sign(
        "image-denied",
        r"pull access denied for (?P<image>[^,\s]+)",
        "the registry has no image `{image}`, or does not let the target have it",
    ),
    sign(
        "image-denied",
        r"(?:pull|resolve).*(?:unauthorized|authentication required|401 Unauthorized|"
        r"403 Forbidden)|no basic auth credentials|unauthorized: authentication required",
    ),
    sign(
        "image-missing",
        r"failed to resolve reference \"(?P<image>[^\"]+)\".*not found",
        "there is no image `{image}`",
    ),
    sign(
        "image-missing",
        r"manifest for (?P<image>\S+) not found",
        "there is no image `{image}`",
    ),
    sign("image-missing", r"manifest unknown|No such image"),
    sign("image-foreign", r"exec format error|no matching manifest for \S+ in the manifest list"),
    sign(
        "model-missing",
        r"pull model manifest: Get .*(?:dial tcp|i/o timeout|TLS handshake|: EOF)",
        "Ollama's library was not reached from there",
        "check the target's way to registry.ollama.ai; a container takes a proxy by "
        "`--env HTTPS_PROXY=`",
    ),
    sign(
        "registry-away",
        r"(?:Get|Head) \"https?://(?P<host>[^/\"]+)/v2/[^\"]*\": "
        r"(?P<why>(?:proxyconnect|dial|read|net/http|"
        r"http|x509|tls|context deadline|EOF)[^\n]{0,200})",
        "the registry {host} cannot be reached from there: {why}",
    ),
    sign(
        "gated-model",
        r"Access to model (?P<model>\S+) is restricted and you are not in the authorized list",
        "{model} is gated, and the token's account has not been let in",
        "ask for access on its page with that account",
    ),
    sign(
        "gated-model",
        r"(?:Access to|Repo) model (?P<model>\S+) is (?:restricted|gated)",
        "{model} is gated: it needs a token",
    ),
    sign("gated-model", r"Cannot access gated repo|trying to access a gated repo"),
    sign(
        "model-missing",
        r"Repository Not Found for url: https?://[^/]+/(?:api/models/)?"
        r"(?P<model>[^/\s]+(?:/(?!resolve|revision)[^/\s]+)?)/(?:resolve|revision)",
        "there is no model {model}, or it is private",
    ),
    sign("model-missing", r"RepositoryNotFoundError|is not a valid model identifier"),
    sign(
        "model-missing",
        r"LocalEntryNotFoundError|Cannot find an appropriate cached snapshot folder|"
        r"We couldn't connect to '[^']*' to load the files",
        "the hub was not reached from there, and the model was not fetched before",
        "check the target's way to the hub, or bring the model there and deploy `path:`",
    ),
    sign(
        "missing-file",
        r"Repo id must be in the form .*: '(?P<path>/[^']*)'|"
        r"Invalid repository ID or local directory specified: '(?P<other>[^']*)'",
        "there is no folder {path}{other} with a model that it could read",
        "check the path, as it is on the target, and that a config.json is in it",
    ),
    sign(
        "missing-file",
        r"Cannot find any model weights with `(?P<path>[^`]*)`",
        "there are no weights in {path}",
    ),
    sign(
        "missing-file",
        r"chat template string \((?P<path>[^)]*)\) appears path-like, but doesn't exist",
        "there is no chat template at {path}",
    ),
    sign("not-a-model", r"SafetensorError: Error while deserializing header"),
    sign(
        "unsupported-architecture",
        r"requires a newer version of Ollama",
        "this Ollama is too old for the model",
        "pull a newer image on the target, or name one with `--image`",
    ),
    sign(
        "unsupported-architecture",
        r"Model architectures \['(?P<name>[^']+)'[^]]*\] are not supported",
        "this vLLM does not know the model's architecture `{name}`",
    ),
    sign(
        "unsupported-architecture",
        r"model type `(?P<name>[^`]+)` but Transformers does not recognize this architecture",
        "this version of Transformers does not know the model's type `{name}`",
    ),
    sign(
        "unsupported-architecture",
        r"unknown model architecture: '(?P<name>[^']*)'",
        "this llama.cpp does not know the model's architecture `{name}`",
    ),
    sign(
        "driver-mismatch",
        r"unsatisfied condition: cuda\s*>=\s*(?P<need>[\d.]+\d)",
        "the image needs CUDA {need}, which the graphics driver is too old for",
    ),
    sign(
        "driver-mismatch",
        r"NVIDIA driver on your system is too old|driver version is insufficient for CUDA runtime",
    ),
    sign(
        "driver-mismatch",
        r"Driver/library version mismatch",
        "the graphics driver was updated and the old one is still loaded",
        "restart the target's machine",
    ),
    sign(
        "unsupported-gpu",
        r"Your (?P<card>.+?) GPU has compute capability (?P<has>\d\.\d)",
        "the {card} (compute capability {has}) cannot do bfloat16, which the model asks for",
        "have the engine compute with `dtype=half`, or use another target; `!targets` shows what "
        "there is",
    ),
    sign("unsupported-gpu", r"no kernel image is available for execution on the device"),
    sign("gpu-lost", r"Failed to initialize NVML: Unknown Error"),
    sign(
        "quota",
        r"exceeded quota: (?P<quota>[^,\s]+), requested: (?P<asked>.+?), used: (?P<used>.+?), "
        r"limited: (?P<limit>[^\"]+)",
        "the quota {quota} does not allow it: {asked} asked for, {used} used of {limit}",
    ),
    sign(
        "quota",
        r"VcpuLimitExceeded.*current vCPU limit of (?P<limit>\d+)",
        "the cloud account may have {limit} vCPUs of that kind, and this takes more",
        "have the limit raised, or ask for a smaller machine",
    ),
    sign("quota", r"exceeded quota:|QuotaExceeded|Quota '\S+' exceeded"),
    sign(
        "no-room",
        r"(?P<nodes>\d+)/\d+ nodes are available.*Insufficient nvidia\.com/gpu",
        "no node has a free graphics card",
    ),
    sign(
        "no-room",
        r"\d+/\d+ nodes are available.*Insufficient (?P<what>cpu|memory)",
        "no node has enough free {what}",
    ),
    sign(
        "port-taken",
        r"Bind for \S+?:(?P<port>\d+) failed: port is already allocated",
        "port {port} is taken",
    ),
    sign(
        "port-taken",
        r"bind on address \('[^']*', (?P<port>\d+)\).*address already in use|"
        r"couldn't bind HTTP server socket.*port: (?P<other>\d+)|"
        r"listen tcp[46]? \S*?:(?P<third>\d+): bind: address already in use",
        "port {port}{other}{third} is taken",
    ),
    sign(
        "port-taken",
        r"failed to bind host port (?:for )?(?:\[[^]]*\]|[\d.]+):(?P<port>\d+).*"
        r"address already in use",
        "port {port} is taken",
    ),
    sign("port-taken", r"address already in use|EADDRINUSE"),
    sign(
        "out-of-memory",
        r"requires more system memory \((?P<need>[^)]+)\) than is available \((?P<have>[^)]+)\)",
        "it needs {need} of memory where {have} are free",
    ),
    sign(
        "out-of-memory",
        r"Available memory on node \d+ \((?P<free>[\d.]+)/[\d.]+ GiB\) on "
        r"(?:startup is less than desired CPU memory utilization \([\d.]+, (?P<share>[\d.]+)|"
        r"kv cache allocation is less than requested memory for kv \((?P<cache>[\d.]+))",
        "vLLM wants {share}{cache} GiB of memory for its cache, and {free} GiB are free",
        "say `--env VLLM_CPU_KVCACHE_SPACE=` with fewer GiB, or make room on that machine",
    ),
    sign(
        "out-of-memory",
        r"failed to allocate|unable to allocate|cannot allocate memory|bad_alloc|OOMKilled|"
        r"DefaultCPUAllocator: can't allocate memory|^MemoryError",
    ),
    sign(
        "no-gpu",
        r"could not select device driver \"[^\"]*\" with capabilities: \[\[gpu\]\]",
        "Docker there cannot hand out graphics cards",
        "install the NVIDIA container toolkit on the target, or deploy it with `--gpu none`",
    ),
    sign(
        "no-gpu",
        r"unknown runtime specified nvidia|unknown or invalid runtime name: nvidia",
        "Docker there cannot hand out graphics cards",
        "install the NVIDIA container toolkit on the target, or deploy it with `--gpu none`",
    ),
    sign(
        "no-gpu",
        r"unresolvable CDI devices (?P<names>\S+)",
        "its Docker engine knows no graphics card {names}",
        "ask for fewer, or have `nvidia-ctk cdi generate` list anew on the target which there are",
    ),
    sign(
        "no-gpu",
        r"failed to discover GPU vendor from CDI",
        "Docker there cannot hand out graphics cards: it found none by CDI",
        "have the NVIDIA container toolkit list them on the target (`nvidia-ctk cdi generate`), or "
        "deploy it with `--gpu none`",
    ),
    sign(
        "no-gpu",
        r"no CUDA-capable device is detected|Found no NVIDIA driver|Failed to infer device type|"
        r"nvidia-container-cli: initialization error|no CUDA GPUs are available",
    ),
    sign(
        "probe-timeout",
        r"failed startup probe, will be restarted|Startup probe failed",
        "it did not answer in the time that its startup probe allows",
    ),
    sign(
        "no-engine",
        r"exec: \"(?P<command>[^\"]+)\": (?:executable file not found|stat \S+ no such file)",
        "the image has no command `{command}`",
        "check the image and the engine's command",
    ),
    sign(
        "wrong-option",
        r"error: unrecognized arguments: (?P<options>\S.*)",
        "its engine knows no {options}",
    ),
    sign(
        "wrong-option",
        r"(?:Unknown (?P<kind>quantization) method: |invalid (?P<other>tool call parser): |"
        r"(?P<third>Reasoning parser) ')(?P<value>[\w.-]+)(?:\. Must be| \(cho|' not found)",
        "vLLM knows no {kind}{other}{third} `{value}`",
    ),
    sign(
        "wrong-option",
        r"error: argument (?P<option>\S+): (?P<why>[^\n]{1,300})",
        "its engine does not take its {option}: {why}",
    ),
    sign("illegal-instruction", r"\bIllegal instruction\b"),
)
"""The first that is found counts, in this order: what says most comes first, and what is only
mentioned by the way in the logs of healthy servers comes last. Within the log it is the first line:
later ones only repeat the root cause."""

EMPTY_WORDS = re.compile(
    r"Engine core initialization failed|See root cause above|EngineDeadError|"
    r"Failed to import from vllm\._C|encountered an error while trying to fit params"
)
"""What vLLM and llama.cpp say after, or besides, the reason: it is no sign of anything."""
