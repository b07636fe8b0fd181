"""The real llama.cpp server as a process of its own: `llama_server.py MODEL ALIAS PORT`.

Prints its URL once it answers. Never ends an answer before `max_tokens`, so that a test has
time to act in the middle of one.
"""

import signal
import sys

import xllamacpp

model, alias, port = sys.argv[1:]
params = xllamacpp.CommonParams()
params.model.path = model
params.model_alias = {alias}
params.hostnames, params.port = ["127.0.0.1"], int(port)
params.n_parallel, params.n_ctx = 2, 4096
params.n_batch = params.n_ubatch = 512
params.cpuparams.n_threads = params.cpuparams_batch.n_threads = 1
params.cache_ram_mib = 0
params.sampling.ignore_eos = True
params.endpoint_metrics = True
params.verbosity = 0
signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGTERM})
server = xllamacpp.Server(params)
print(server.listening_address, flush=True)
signal.sigwait({signal.SIGTERM})
