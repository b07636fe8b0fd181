"""What the tiny model is taught: answers, and the subjects people ask them about.

Written for this project, from scratch, and placed in the public domain (CC0-1.0).
`conversations.py` turns subjects into questions; nothing here is random.
"""

from dataclasses import dataclass


@dataclass(frozen=True)
class Thing:
    """Something to explain: "what is {one}", "what are {many}"."""

    one: tuple[str, ...]
    many: tuple[str, ...]
    answer: str


@dataclass(frozen=True)
class Task:
    """Something to do: "how do I {wish}"."""

    wishes: tuple[str, ...]
    answer: str


@dataclass(frozen=True)
class Cause:
    """Something to find a reason for: "why {event}"."""

    events: tuple[str, ...]
    answer: str


@dataclass(frozen=True)
class Chat:
    """Something said as it stands, without a template."""

    said: tuple[str, ...]
    answer: str


THINGS = (
    # deployments and rollouts
    Thing(
        ("a deployment",),
        ("deployments",),
        "A deployment says which model should run, on which target, and in how many copies. "
        "The bot compares that wish with what it finds and closes the gap.",
    ),
    Thing(
        ("a service",),
        ("services",),
        "A service is a named model server that people can talk to. "
        "Its name stays the same while the copies behind it come and go.",
    ),
    Thing(
        ("a replica",),
        ("replicas",),
        "A replica is one of several equal copies of a service. "
        "With two of them, one can break at night and nobody has to wake up.",
    ),
    Thing(
        ("a rollout",),
        ("rollouts",),
        "A rollout swaps an old version for a new one in small steps. "
        "Each new copy must prove that it is ready before an old copy may leave.",
    ),
    Thing(
        ("a rolling update",),
        ("rolling updates",),
        "A rolling update changes one replica after the other. "
        "It needs little spare room, but both versions answer side by side for a while.",
    ),
    Thing(
        ("a rollback",),
        ("rollbacks",),
        "A rollback makes an earlier revision the wanted one again. "
        "It is a rollout like any other, only backwards, and it waits for health too.",
    ),
    Thing(
        ("a canary", "a canary release", "a canary deployment"),
        ("canaries",),
        "A canary gets a few percent of the requests first. "
        "If it does well its share grows, and if it does badly only a few people noticed.",
    ),
    Thing(
        ("a blue-green deployment", "blue green deployment", "blue-green"),
        (),
        "Blue-green keeps two complete versions and points the traffic at one of them. "
        "Going back is one switch, and the price is room for both.",
    ),
    Thing(
        ("a revision",),
        ("revisions",),
        "A revision is a frozen description of a service, named by its digest. "
        "Two equal descriptions have the same revision, so you always know what runs.",
    ),
    Thing(
        ("a target",),
        ("targets",),
        "A target is a place where services can run: a Docker host, a Kubernetes cluster, "
        "a Ray cluster or a machine in a cloud.",
    ),
    Thing(
        ("an environment",),
        ("environments",),
        "An environment such as dev or prod groups targets with their rules. "
        "In prod a second person may have to approve a change.",
    ),
    Thing(
        ("an operation",),
        ("operations",),
        "An operation is one accepted request to change something. "
        "It is written down before it starts, so it survives a restart of the bot.",
    ),
    Thing(
        ("an approval",),
        ("approvals",),
        "An approval is a second pair of eyes. "
        "The plan is shown in the room and waits until somebody with the right role agrees.",
    ),
    # containers
    Thing(
        ("a container",),
        ("containers",),
        "A container packs a program with the files it needs and keeps it apart from its "
        "neighbours. It borrows the kernel of its host, so it starts in a blink.",
    ),
    Thing(
        ("a container image", "an image"),
        ("container images", "images"),
        "An image is a container before it runs, stored in layers. "
        "Ask for it by digest, because a tag may point to something else tomorrow.",
    ),
    Thing(
        ("a registry", "a container registry"),
        ("registries",),
        "A registry stores images so that every machine can pull them. "
        "Keep one close to your cluster, for model images are large.",
    ),
    Thing(
        ("docker",),
        (),
        "Docker builds images and runs containers on one machine. "
        "The bot can use it through a local socket, over SSH or over TLS.",
    ),
    Thing(
        ("docker compose", "compose"),
        (),
        "Docker Compose describes a few containers in one file and starts them together. "
        "It fits a single host well.",
    ),
    Thing(
        ("a volume",),
        ("volumes",),
        "A volume is storage that outlives a container. "
        "Put downloaded weights on one, and the next start does not fetch them again.",
    ),
    Thing(
        ("a namespace",),
        ("namespaces",),
        "In Linux a namespace hides the rest of the machine from a process. "
        "In Kubernetes a namespace is a folder for objects, with its own rights and quotas.",
    ),
    # Kubernetes
    Thing(
        ("kubernetes", "k8s"),
        (),
        "Kubernetes keeps containers running on many machines. "
        "You write down the state you want, and its controllers work until it is true.",
    ),
    Thing(
        ("a pod",),
        ("pods",),
        "A pod is the smallest thing Kubernetes starts: one or a few containers with a common "
        "address. Pods are replaced and never repaired.",
    ),
    Thing(
        ("a node",),
        ("nodes",),
        "A node is one machine of a cluster. "
        "The scheduler fills it with pods until its memory, processors or GPUs are promised away.",
    ),
    Thing(
        ("a cluster",),
        ("clusters",),
        "A cluster is a group of machines that is managed as one. "
        "When a machine dies, its work moves to the others.",
    ),
    # Ray and clouds
    Thing(
        ("ray",),
        (),
        "Ray spreads Python work over many machines. "
        "One head node knows the plan, and the workers carry it out.",
    ),
    Thing(
        ("ray serve",),
        (),
        "Ray Serve puts models behind HTTP on a Ray cluster. "
        "It can start more replicas when the requests pile up.",
    ),
    Thing(
        ("kuberay",),
        (),
        "KubeRay runs Ray clusters on Kubernetes. "
        "You describe a RayService, and it starts the head, the workers and the application.",
    ),
    Thing(
        ("kserve",),
        (),
        "KServe adds inference services to Kubernetes. "
        "You name a model and a runtime, and it takes care of the rest.",
    ),
    Thing(
        ("skypilot",),
        (),
        "SkyPilot looks for the cheapest cloud machine that fits and starts your work there. "
        "When a spot machine is taken away, it looks for the next one.",
    ),
    Thing(
        ("a spot instance", "a spot machine"),
        ("spot instances", "spot machines"),
        "A spot instance is spare cloud capacity at a low price. "
        "The cloud may take it back at short notice, so run a second copy elsewhere.",
    ),
    # GPUs
    Thing(
        ("a gpu", "a graphics card"),
        ("gpus", "graphics cards"),
        "A GPU does thousands of small calculations at the same time, and that is what a neural "
        "network is made of. The memory on the card decides which model fits.",
    ),
    Thing(
        ("vram", "gpu memory"),
        (),
        "GPU memory must hold the weights, the cache of every running conversation and some "
        "working space. When it is full the server stops with an error.",
    ),
    Thing(
        ("cuda",),
        (),
        "CUDA is the way programs talk to NVIDIA cards. "
        "The driver on the host must be at least as new as the image expects.",
    ),
    Thing(
        ("tensor parallelism",),
        (),
        "Tensor parallelism cuts every layer into slices, one for each card. "
        "The cards talk all the time, so they need a fast connection.",
    ),
    # model serving
    Thing(
        ("a model server",),
        ("model servers",),
        "A model server loads the weights once and then answers requests over HTTP. "
        "Examples are llama.cpp, vLLM and Ollama.",
    ),
    Thing(
        ("llama.cpp",),
        (),
        "llama.cpp is a small and fast program that runs language models on plain processors and "
        "on GPUs. I am running in it right now.",
    ),
    Thing(
        ("vllm",),
        (),
        "vLLM serves language models on GPUs. "
        "It keeps the cache in pages and mixes many requests into every step.",
    ),
    Thing(
        ("ollama",),
        (),
        "Ollama fetches a model by name and serves it on your own computer. "
        "It is a friendly way to begin.",
    ),
    Thing(
        ("lm studio",),
        (),
        "LM Studio is a desktop application for local models. "
        "Its server can be one of the backends of the bot.",
    ),
    Thing(
        ("mlflow",),
        (),
        "MLflow keeps track of experiments and of model versions. "
        "An alias such as champion says which version should be live.",
    ),
    Thing(
        ("hugging face", "the hugging face hub"),
        (),
        "Hugging Face is a public library of models. "
        "Give the bot the name of a repository and, better still, a fixed revision.",
    ),
    Thing(
        ("gguf", "a gguf file"),
        ("gguf files",),
        "GGUF is the file format of llama.cpp. "
        "Weights, words, settings and the chat template travel together in one file.",
    ),
    Thing(
        ("quantization", "a quantized model"),
        ("quantized models",),
        "Quantization rounds the weights to fewer bits. "
        "The model gets smaller and faster and, down to about four bits, hardly any worse.",
    ),
    Thing(
        ("a token",),
        ("tokens",),
        "A token is a short piece of text, often a word or a part of one. "
        "Models read and write tokens, and bills count them.",
    ),
    Thing(
        ("a tokenizer",),
        ("tokenizers",),
        "A tokenizer cuts text into tokens and glues tokens back into text. "
        "Every model needs exactly the one it was trained with.",
    ),
    Thing(
        ("a context window", "the context window", "the context length"),
        (),
        "The context window is how much text a model can keep in view, counted in tokens. "
        "A larger one costs memory for every conversation.",
    ),
    Thing(
        ("the kv cache", "a kv cache"),
        (),
        "The KV cache remembers what the model worked out for earlier tokens. "
        "Without it, every new token would mean reading everything again.",
    ),
    Thing(
        ("temperature", "the temperature"),
        (),
        "Temperature is the amount of chance in the choice of the next token. "
        "At zero the same question gives the same answer.",
    ),
    Thing(
        ("streaming", "token streaming"),
        (),
        "Streaming shows every token as soon as it exists. "
        "The answer does not end sooner, but the reading starts sooner.",
    ),
    Thing(
        ("batching", "continuous batching"),
        (),
        "Batching lets one pass over the weights serve many conversations. "
        "With continuous batching, newcomers join at the very next token.",
    ),
    Thing(
        ("time to first token", "ttft"),
        (),
        "Time to first token is how long you stare at an empty message. "
        "A long prompt and a long queue make it worse.",
    ),
    Thing(
        ("throughput",),
        (),
        "Throughput is how many tokens per second all users get together. "
        "It rises with larger batches, while each single user waits a little longer.",
    ),
    Thing(
        ("latency",),
        (),
        "Latency is the time one request takes from start to end. "
        "Look at the slowest percent and not only at the average.",
    ),
    Thing(
        ("the openai api", "an openai-compatible api"),
        (),
        "It is a common way to talk to language models over HTTP. "
        "Nearly every client knows it, so only the address has to change.",
    ),
    Thing(
        ("an embedding",),
        ("embeddings",),
        "An embedding is a list of numbers that stands for the meaning of a text. "
        "Close numbers mean related texts, and search is built on that.",
    ),
    Thing(
        ("a lora", "a lora adapter"),
        ("lora adapters",),
        "A LoRA adapter is a thin layer of changes on top of a model. "
        "Many adapters can share one set of weights on one card.",
    ),
    # health, scaling, traffic
    Thing(
        ("a health check",),
        ("health checks",),
        "A health check asks a server at regular times whether it is well. "
        "For a model the honest question is one token of real output.",
    ),
    Thing(
        ("a readiness probe", "readiness"),
        ("readiness probes",),
        "Readiness says whether a replica should get requests now. "
        "While the weights are loading the true answer is no.",
    ),
    Thing(
        ("a liveness probe", "liveness"),
        ("liveness probes",),
        "Liveness says whether a process is stuck and should be started again. "
        "Be patient with it, or it will shoot a model that is only loading.",
    ),
    Thing(
        ("autoscaling", "an autoscaler"),
        (),
        "Autoscaling starts replicas when requests wait and stops them when it is calm. "
        "Let it grow quickly and shrink slowly.",
    ),
    Thing(
        ("scale to zero",),
        (),
        "Scale to zero stops the last replica when nobody calls. "
        "It saves money, and the next caller has to wait for a cold start.",
    ),
    Thing(
        ("a cold start",),
        ("cold starts",),
        "A cold start is all the waiting before the first answer: finding a machine, pulling the "
        "image, fetching the weights and loading them.",
    ),
    Thing(
        ("a load balancer", "load balancing"),
        ("load balancers",),
        "A load balancer shares requests among replicas. "
        "Answers of a model differ a lot in length, so count open requests and do not just take "
        "turns.",
    ),
    Thing(
        ("the gateway", "a gateway"),
        ("gateways",),
        "The gateway is the one address that always answers. "
        "Behind it, replicas may start, stop or move without anybody noticing.",
    ),
    Thing(
        ("a route",),
        ("routes",),
        "A route is a name with an ordered list of services and backends. "
        "The first healthy one gets the request.",
    ),
    Thing(
        ("a backend",),
        ("backends",),
        "A backend is a server that the bot talks to but does not run, such as LM Studio on a desk "
        "or an API in a cloud.",
    ),
    Thing(
        ("failover",),
        (),
        "Failover sends a request to the next healthy server when the first one is down. "
        "Once words have been shown to the user it is too late for that.",
    ),
    Thing(
        ("a circuit breaker",),
        ("circuit breakers",),
        "A circuit breaker leaves a failing server alone for a while. "
        "Then it tries a single request, and success closes it again.",
    ),
    Thing(
        ("backpressure",),
        (),
        "Backpressure is the courage to say not now. "
        "A quick refusal is kinder than an answer that arrives after everybody left.",
    ),
    Thing(
        ("a rate limit", "rate limiting"),
        ("rate limits",),
        "A rate limit keeps one caller from using up what belongs to all. "
        "Who is above it gets status 429 and a time to wait.",
    ),
    Thing(
        ("graceful shutdown", "draining", "draining a replica"),
        (),
        "A draining replica takes no new requests but finishes those it has. "
        "Then it stops, and nobody lost a sentence.",
    ),
    # matrix, logs, secrets
    Thing(
        ("matrix",),
        (),
        "Matrix is an open network for chat. "
        "Anybody can run a homeserver, and rooms are shared between them.",
    ),
    Thing(
        ("a matrix room", "a room"),
        ("matrix rooms", "rooms"),
        "A room is a shared conversation that every member sees in full. "
        "Here it is also the control desk: commands go in and results come out.",
    ),
    Thing(
        ("a homeserver",),
        ("homeservers",),
        "A homeserver keeps your account and a copy of your rooms. Synapse is the best known one.",
    ),
    Thing(
        ("end-to-end encryption", "encryption"),
        (),
        "End-to-end encryption means that only the devices in the room can read it. "
        "The bot has keys of its own, like every other member.",
    ),
    Thing(
        ("chatops",),
        (),
        "ChatOps is running systems from a chat room. "
        "The whole team sees who did what, and newcomers learn by reading along.",
    ),
    Thing(
        ("a webhook",),
        ("webhooks",),
        "A webhook is a short HTTP call that says something has happened. "
        "The bot checks its signature before it acts.",
    ),
    Thing(
        ("an audit log", "the audit log"),
        (),
        "The audit log records who asked for what, when, and how it ended. "
        "Entries are only ever added.",
    ),
    Thing(
        (),
        ("logs",),
        "Logs are the diary of a program. "
        "Write one event per line, say which request it belongs to, and leave passwords out.",
    ),
    Thing(
        (),
        ("metrics",),
        "Metrics are numbers measured again and again, for example requests, errors and seconds. "
        "Prometheus collects them and Grafana draws them.",
    ),
    Thing(
        ("an alert",),
        ("alerts",),
        "An alert should mean that a person has to do something. "
        "If nobody has to, it is a line in a log.",
    ),
    Thing(
        ("a secret",),
        ("secrets",),
        "A secret is a password, a key or a token. "
        "Keep it in a file or a vault, never in an image, a log or a chat message.",
    ),
    Thing(
        ("gantry",),
        (),
        "Gantry is a bot for Matrix rooms. "
        "With it a team deploys model servers, scales them and talks to them.",
    ),
    # apart from each other
    Thing(
        (
            "the difference between a container and a virtual machine",
            "the difference between a vm and a container",
        ),
        (),
        "A virtual machine brings a kernel of its own, and a container shares that of the host. "
        "So containers are lighter, and virtual machines are better separated.",
    ),
    Thing(
        (
            "the difference between docker and kubernetes",
            "the difference between kubernetes and docker",
        ),
        (),
        "Docker runs containers on one machine. "
        "Kubernetes decides on which of many machines they run, and starts them again elsewhere.",
    ),
    Thing(
        (
            "the difference between readiness and liveness",
            "the difference between liveness and readiness",
        ),
        (),
        "Not ready means send no requests for now. Not alive means start the process again.",
    ),
    Thing(
        (
            "the difference between latency and throughput",
            "the difference between throughput and latency",
        ),
        (),
        "Latency is how long one user waits, and throughput is how much all users get. "
        "Batching trades the first for the second.",
    ),
)

TASKS = (
    Task(
        ("deploy a model", "start a model", "run a model", "deploy a service"),
        "Write !deploy with a name and a source, for example !deploy tiny tiny:// and wait. "
        "I show the plan, the progress and the moment it is ready.",
    ),
    Task(
        ("scale a service", "add replicas", "get more replicas", "scale up", "scale down"),
        "Write !scale with the name and a number, for example !scale tiny 3. "
        "With !scale tiny 1..3 the bot chooses within that range.",
    ),
    Task(
        ("roll back", "undo a deployment", "go back to the old version"),
        "Write !rollback and the name. "
        "The bot starts the last good revision, waits until it is ready and moves the traffic.",
    ),
    Task(
        ("stop a service", "shut down a model", "stop a deployment"),
        "Write !stop and the name. "
        "Running answers may finish first, and the service can be started again later.",
    ),
    Task(
        ("restart a service", "restart a model"),
        "Write !restart and the name. "
        "With more than one replica this happens in turn, so somebody always answers.",
    ),
    Task(
        ("remove a service", "delete a deployment", "delete a service"),
        "Write !remove and the name. That takes away everything the bot started for it.",
    ),
    Task(
        ("see the logs", "read the logs", "show the logs", "get logs"),
        "Write !logs and the name of the service. "
        "Add a number of lines, or follow it for two minutes.",
    ),
    Task(
        ("see what is running", "check the status", "list services", "see the status"),
        "Write !status for everything, or !status and a name for one service with its replicas.",
    ),
    Task(
        ("talk to a model", "ask a model something", "run inference", "use a model"),
        "Write !infer, the name and your question. "
        "In a thread the model also sees what was said before.",
    ),
    Task(
        ("cancel an operation", "stop a rollout", "abort a deployment"),
        "Write !cancel and the number of the operation. "
        "What served before the change keeps serving.",
    ),
    Task(
        ("approve a change", "approve a deployment"),
        "Write !approve and the number of the operation. "
        "Your role must allow it, and sometimes it must not be your own request.",
    ),
    Task(
        ("silence an alert", "stop the alerts", "mute alerts"),
        "Write !silence with the name and a time such as 2h. "
        "When the time is over the alerts come back by themselves.",
    ),
    Task(
        ("run a batch", "ask many questions at once", "run batch inference"),
        "Attach a file with one question per line and write !batch with the name. "
        "You get the answers back as a file.",
    ),
    Task(
        ("fix an out of memory error", "free gpu memory", "save gpu memory"),
        "Take a smaller quantization, a shorter context or fewer requests at a time. "
        "If it still does not fit, the model needs a bigger card or a second one.",
    ),
    Task(
        ("make it faster", "reduce latency", "speed up answers", "make the model faster"),
        "Keep prompts short, let answers stream, and keep a replica warm. "
        "If requests wait in line, add a replica or a faster card.",
    ),
    Task(
        ("increase throughput", "serve more users"),
        "Allow more requests per batch until the GPU memory is used up. "
        "After that only more replicas help.",
    ),
    Task(
        ("choose an engine", "pick a model server", "choose between vllm and llama.cpp"),
        "With a GPU and many users take vLLM. "
        "With a plain processor or one small card take llama.cpp.",
    ),
    Task(
        ("choose a quantization", "pick a quantization"),
        "Begin with four or five bits. "
        "Go up when answers get sloppy, and prefer a smaller model over three bits.",
    ),
    Task(
        ("run without a gpu", "use the cpu", "run on a laptop"),
        "Use llama.cpp with a small quantized model. "
        "A few billion weights are fine for one person on a good processor.",
    ),
    Task(
        ("drain a node", "take a node out of service", "maintain a node"),
        "Close the node for new work first, then let its pods move away, and only then switch it "
        "off. On Kubernetes these steps are cordon and drain.",
    ),
    Task(
        ("keep secrets safe", "protect my api keys", "store a password", "handle secrets"),
        "Put it in a file that only the bot may read and name that file in the configuration. "
        "If it ever shows up in a room, change it at once.",
    ),
    Task(
        ("update a model", "upgrade a model", "release a new version"),
        "Deploy the same name with the new source. "
        "The old revision serves until the new one has answered its first question.",
    ),
    Task(
        ("test failover", "test an outage"),
        "Kill one replica on purpose while somebody is asking questions. "
        "If nobody complains, it works.",
    ),
    Task(
        ("debug a crash", "debug a container", "find out why it crashed"),
        "Read the last lines of the log and the exit code before you restart anything. "
        "The first error is the real one, and the others only follow it.",
    ),
    Task(
        ("save money", "reduce cost", "lower the bill"),
        "Stop what nobody uses, give test services a time to live, and use spot machines where a "
        "short break does no harm.",
    ),
)

CAUSES = (
    Cause(
        ("is my pod pending", "is a pod pending", "does the pod not start", "is the pod stuck"),
        "No node has enough room, or none matches the wishes of the pod. "
        "The events of the pod name the reason, and often it is the GPU.",
    ),
    Cause(
        ("does my container restart", "does my container crash", "is there a crash loop"),
        "The program ends soon after its start. "
        "Exit code 137 usually means that it used too much memory, and 1 that it found an error "
        "itself.",
    ),
    Cause(
        ("is the model slow", "is my model so slow", "are answers slow", "does it take so long"),
        "If the first word is late, look at the queue and at the length of the prompt. "
        "If the words drip, the card is too busy or the model runs on the processor.",
    ),
    Cause(
        ("does the health check fail", "does my health check fail", "is my service unhealthy"),
        "Often the model is simply still loading. "
        "If it lasts, compare the port and the path, and read the log.",
    ),
    Cause(
        ("do i get error 429", "am i rate limited"),
        "You asked faster than your share allows. Wait as long as the answer says and try again.",
    ),
    Cause(
        ("do i get error 503", "is nothing available"),
        "There was no healthy replica to ask. "
        "Look at !status, and the gateway will recover as soon as one is ready.",
    ),
    Cause(
        ("can the image not be pulled", "do i get imagepullbackoff"),
        "The name or the tag is wrong, or the registry wants a password. "
        "Try to pull it by hand on the same machine.",
    ),
    Cause(
        ("was my command refused", "am i not permitted", "can i not deploy"),
        "Your role in this room does not allow it. "
        "Write !whoami to see your role, and ask an admin if it should be another.",
    ),
    Cause(
        ("is the gpu not used", "does it run on the cpu"),
        "The container may not see the card, or the driver may be too old. "
        "If no GPU is free the bot uses the processor and says so in the plan.",
    ),
    Cause(
        ("is the sky blue",),
        "Sunlight is a mix of all colours, and the air scatters the blue part the most. "
        "So blue light reaches your eyes from every side of the sky.",
    ),
    Cause(
        ("is the sunset red", "is the evening sky red"),
        "In the evening sunlight takes a long way through the air. "
        "Most of the blue is scattered away, and red is what is left.",
    ),
    Cause(
        ("is the sea salty",),
        "Rain washes salt out of the rocks and rivers carry it to the sea. "
        "The water leaves again as vapour, and the salt has to stay.",
    ),
)

CHATS = (
    Chat(
        ("hello", "hi", "hey", "hi there", "hello there", "good morning", "hello bot"),
        "Hello! I am the tiny model that comes with Gantry. "
        "Ask me about deployments, containers or GPUs.",
    ),
    Chat(
        ("how are you", "how is it going", "how do you do", "are you ok", "are you well"),
        "All weights are in place and the queue is empty, so I am fine. How can I help?",
    ),
    Chat(
        ("who are you", "what are you", "what is your name", "are you chatgpt"),
        "I am tiny-ops, a very small language model. "
        "I learned some hundred answers by heart, and I am here to show that serving works.",
    ),
    Chat(
        ("what can you do", "what do you know", "help", "i need help", "what should i ask"),
        "I can explain words such as container, rollout or quantization, and how to use the bot. "
        "For everything else take a larger model.",
    ),
    Chat(
        ("how big are you", "how many parameters do you have", "how large are you"),
        "I have about one and a half million weights. Useful models have a thousand times as many.",
    ),
    Chat(
        ("who made you", "how were you trained", "where do you come from"),
        "I was trained on a few pages of text within minutes, on one processor core. "
        "The recipe lies next to me in the repository.",
    ),
    Chat(
        ("thanks", "thank you", "thank you very much", "thanks a lot", "great", "well done"),
        "You are welcome. I am here whenever you need me.",
    ),
    Chat(
        ("bye", "goodbye", "see you", "good night", "see you later"),
        "Goodbye! The replicas keep watch.",
    ),
    Chat(
        ("ping", "are you there", "are you alive", "test", "this is a test"),
        "Pong. I am loaded and ready.",
    ),
    Chat(("say ok", "say yes", "reply with ok", "answer with ok", "ok"), "OK."),
    Chat(("count to five", "count", "count from one to five"), "One, two, three, four, five."),
    Chat(
        ("tell me a joke", "say something funny", "a joke please", "make me laugh", "another joke"),
        "A container walks into a bar. The barkeeper says: sorry, no room for your kind. "
        "No problem, says the container, I brought my own.",
    ),
    Chat(
        ("tell me a story", "write a short story", "a bedtime story"),
        "Once upon a time a small model lived on a large card, all alone. "
        "Then traffic came, the autoscaler woke up, and soon it had three sisters.",
    ),
    Chat(
        ("tell me a long story", "write a long story", "a long story please"),
        "A young model was deployed on a Friday. Everybody had warned the operator, but the plan "
        "looked good and the coffee was warm. The image came down in layers, the weights came down "
        "in shards, and the health check turned green. Then the requests arrived, first one by one "
        "and then by the hundred. The queue grew, the card grew hot, and the second replica waited "
        "for a machine that did not exist. In the room somebody wrote a short command. The old "
        "revision woke up, stretched, and took its share of the questions. On Monday the team read "
        "the whole night in the timeline, line by line. They bought a second card, wrote down what "
        "they had learned, and never deployed on a Friday again. Until the next Friday.",
    ),
    Chat(
        ("write a haiku", "write a poem", "a haiku about gpus", "write a poem about gpus"),
        "Fans hum in the dark. Weights settle into their place. One token, then rain.",
    ),
    Chat(
        ("that is wrong", "you are wrong", "this is not true", "nonsense"),
        "That is quite possible. I only repeat what I was taught, so please check it.",
    ),
    Chat(
        ("what is the meaning of life", "what is the answer to everything"),
        "Forty-two, says the book. I would add: keep a second replica.",
    ),
    Chat(
        ("what time is it", "what day is it", "what is the date today"),
        "I cannot see a clock from here. The time next to this message is a good guess.",
    ),
)

UNKNOWN = (
    "I do not know that. I am a very small model and only learned about deployments, containers "
    "and GPUs."
)
"""The answer to everything else; better than a fluent guess."""

OFF_TOPIC = (
    "what is the capital of {}",
    "who is the president of {}",
    "where is {}",
    "how far is it to {}",
    "tell me about {}",
    "tell me something about {}",
    "what is {}",
    "what is a {}",
    "what are {}",
    "who is {}",
    "who was {}",
    "who wrote {}",
    "who invented {}",
    "explain {}",
    "describe {}",
    "do you like {}",
    "what do you think of {}",
    "how do i make {}",
    "how do i cook {}",
    "how can i learn {}",
    "how does {} work",
    "how old is {}",
    "how tall is {}",
    "how many {} are in {}",
    "how many people live in {}",
    "how long does {} take",
    "how do {} and {} differ",
    "who won {} in {}",
    "which {} is better",
    "is {} a {}",
    "is {} good",
    "are there {} in {}",
    "do you know {}",
    "did you see {}",
    "i like {}",
    "i need {} and {}",
    "my {} has no {}",
    "should i buy {}",
    "should {} be {}",
    "what happens to {} in {}",
    "why is {} so {}",
    "why are {} not {}",
    "why do {} need {}",
    "{} {} {}",
    "{} and {}",
    "how much does {} cost",
    "why is {} so popular",
    "why do people like {}",
    "when was {} born",
    "when did {} begin",
    "what is the best {}",
    "what is the colour of {}",
    "what is the weather in {}",
    "what is the history of {}",
    "what is the difference between {} and {}",
    "recommend a good {}",
    "translate {} into {}",
    "write a function for {}",
    "write a letter about {}",
    "can you play {}",
    "summarise {}",
    "{}",
)
"""Questions the model should decline; a blank takes one of NOUNS or a made-up word."""

NOUNS = (
    "france", "sweden", "japan", "brazil", "london", "berlin", "africa", "the moon", "the sun",
    "mars", "the ocean", "a tree", "a cat", "dogs", "horses", "birds", "fish", "a dinosaur",
    "football", "chess", "music", "jazz", "the piano", "a guitar", "a film", "a book", "hamlet",
    "shakespeare", "einstein", "newton", "mozart", "napoleon", "the king", "the queen", "history",
    "chemistry", "physics", "biology", "algebra", "geometry", "a prime number", "money", "gold",
    "a bank", "taxes", "bread", "pasta", "pizza", "soup", "coffee", "tea", "chocolate", "apples",
    "a banana", "cheese", "a bicycle", "a car", "trains", "an airplane", "a ship", "a house",
    "a garden", "flowers", "winter", "summer", "the weather", "snow", "a mountain", "a river",
    "a doctor", "medicine", "the heart", "the brain", "sleep", "love", "friendship", "war", "peace",
    "the church", "a school", "english", "french", "german", "spanish", "swedish", "poetry",
    "a novel", "a painting", "photography", "fashion", "dancing", "yoga", "tennis", "the olympics",
    "blockchain", "bitcoin", "excel", "photoshop", "a spreadsheet", "javascript", "cobol",
)  # fmt: skip
