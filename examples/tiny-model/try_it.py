"""Asks the tiny model questions through a real llama.cpp server, and prints the answers.

    python try_it.py "What is a container?" "Why is the sky blue?"

The server runs inside this process, on a free loopback port. Needs `pip install xllamacpp`.
"""

import argparse
import json
from collections.abc import Iterator
from http.client import HTTPConnection
from pathlib import Path
from urllib.parse import urlsplit

import xllamacpp

MODEL = Path(__file__).parents[2] / "deployers" / "models" / "bundled" / "tiny-ops.gguf"
MAX_TOKENS = 200
ANSWER_TIMEOUT_S = 60


def main() -> None:
    """Ask one question after the other; each is a conversation of its own."""
    args = arguments()
    server = xllamacpp.Server(server_settings(args.model))
    for question in args.questions:
        print(f"> {question}")
        for piece in stream_answer(server.listening_address, question, args.temperature):
            print(piece, end="", flush=True)
        print("\n")


def arguments() -> argparse.Namespace:
    """What the command line asks for."""
    parser = argparse.ArgumentParser(description="Ask the tiny model.")
    parser.add_argument("questions", nargs="+", metavar="QUESTION")
    parser.add_argument("--model", type=Path, default=MODEL)
    parser.add_argument("--temperature", type=float, default=0.3)
    return parser.parse_args()


def server_settings(model: Path) -> xllamacpp.CommonParams:
    """One request at a time, one thread: a model this small is slower with more."""
    settings = xllamacpp.CommonParams()
    settings.model.path = str(model)
    settings.hostnames, settings.port = ["127.0.0.1"], 0
    settings.n_ctx, settings.n_parallel = 1024, 1
    settings.cpuparams.n_threads = settings.cpuparams_batch.n_threads = 1
    settings.verbosity = 1
    return settings


def stream_answer(address: str, question: str, temperature: float) -> Iterator[str]:
    """The pieces of the answer as they arrive, then why it ended if not by itself."""
    connection = HTTPConnection(urlsplit(address).netloc, timeout=ANSWER_TIMEOUT_S)
    request = {
        "messages": [{"role": "user", "content": question}],
        "temperature": temperature,
        "max_tokens": MAX_TOKENS,
        "stream": True,
    }
    connection.request("POST", "/v1/chat/completions", json.dumps(request))
    for line in connection.getresponse():
        if not line.startswith(b"data: {"):
            continue
        choice = json.loads(line.removeprefix(b"data: "))["choices"][0]
        yield choice["delta"].get("content") or ""
        if choice["finish_reason"] not in (None, "stop"):
            yield f" [cut: {choice['finish_reason']}]"
    connection.close()


if __name__ == "__main__":
    main()
