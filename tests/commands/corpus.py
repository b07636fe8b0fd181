"""Lines as people type them, and what is understood."""

from commands.about import Ping, Version, WhoAmI
from commands.deploy import Deploy
from commands.help import Help
from commands.infer import Infer
from commands.keep import Keep
from commands.logs import Logs
from commands.ops import Cancel, Ops
from commands.scale import Scale
from commands.status import Status
from commands.stop import Named
from commands.targets import Targets
from domain.sources import Source

OPS = Source("tiny", "ops")


def local(count=None):
    return (("local", count),)


UNDERSTOOD = [
    ("ping", Ping()),
    ("ping ", Ping()),
    ("  ping", Ping()),
    ("version", Version()),
    ("whoami", WhoAmI()),
    ("targets", Targets()),
    ("ops", Ops()),
    ("cancel k3x9ab", Cancel("k3x9ab")),
    ("cancel K3X9AB", Cancel("K3X9AB")),
    ("help", Help()),
    ("help deploy", Help("deploy")),
    ("help !deploy", Help("!deploy")),
    ("deploy --help", Help("deploy")),
    ("deploy  --help ", Help("deploy")),
    ("deploy —help", Help("deploy")),
    ("deploy tiny --help", Help("deploy")),
    ("scale tiny 2 --help", Help("scale")),
    ("infer --help", Help("infer")),
    ("infer tiny --help", Help("infer")),
    ("ping --help", Help("ping")),
    ("status", Status()),
    ("status tiny", Status("tiny")),
    ("status\ttiny", Status("tiny")),
    ("status\ntiny", Status("tiny")),
    ("status 'tiny'", Status("tiny")),
    ("status “tiny”", Status("tiny")),
    ("status\u00a0tiny", Status("tiny")),
    ("logs tiny", Logs("tiny")),
    ("logs tiny --tail 5", Logs("tiny", 5)),
    ("logs tiny --tail=5", Logs("tiny", 5)),
    ("logs --tail 5 tiny", Logs("tiny", 5)),
    ("logs tiny —tail 5", Logs("tiny", 5)),
    ("logs tiny –tail 5", Logs("tiny", 5)),
    ("logs tiny --tail 1 --tail 2", Logs("tiny", 2)),
    ("stop tiny", Named("tiny")),
    ("restart tiny", Named("tiny")),
    ("remove tiny", Named("tiny")),
    ("repair tiny", Named("tiny")),
    ("expire tiny", Named("tiny")),
    ("keep tiny", Keep("tiny")),
    ("keep tiny 2h", Keep("tiny", 7200.0)),
    ("keep tiny —forever", Keep("tiny", forever=True)),
    ("deploy tiny --ttl 8h", Deploy("tiny", ttl=28800.0)),
    ("deploy tiny --ttl none", Deploy("tiny", ttl=0.0)),
    ("scale tiny 2", Scale("tiny", 2)),
    ("scale tiny 0", Scale("tiny", 0)),
    ("scale tiny 64", Scale("tiny", 64)),
    ("scale tiny 007", Scale("tiny", 7)),
    ("deploy tiny", Deploy("tiny")),
    ("deploy tiny tiny://ops", Deploy("tiny", OPS)),
    ('deploy "tiny" "tiny://ops"', Deploy("tiny", OPS)),
    ("deploy q hf://a/b/c.gguf@v1", Deploy("q", Source("hf", "a/b/c.gguf", "v1"))),
    (r"deploy q path:D:\Models\x.gguf", Deploy("q", Source("path", r"D:\Models\x.gguf"))),
    (r'deploy q "path:D:\My Models\x.gguf"', Deploy("q", Source("path", r"D:\My Models\x.gguf"))),
    ("deploy q path:/m/it's.gguf'", Deploy("q", Source("path", "/m/its.gguf"))),
    ("deploy tiny --target local", Deploy("tiny", target=local())),
    ("deploy tiny --target local:0", Deploy("tiny", target=local(0))),
    ("deploy tiny --target=local:3", Deploy("tiny", target=local(3))),
    ("deploy tiny --target eu:2,us", Deploy("tiny", target=(("eu", 2), ("us", None)))),
    ("deploy tiny --engine llamacpp", Deploy("tiny", engine="llamacpp")),
    ("deploy tiny --gpu auto", Deploy("tiny", gpu="auto")),
    ("deploy tiny --gpu none", Deploy("tiny", gpu="none")),
    ("deploy tiny --gpu 2", Deploy("tiny", gpu=2)),
    ("deploy tiny --replicas 3", Deploy("tiny", replicas=3)),
    ("deploy tiny —replicas 3", Deploy("tiny", replicas=3)),
    ("deploy tiny —replicas=3", Deploy("tiny", replicas=3)),
    ("deploy --replicas 3 tiny tiny://ops", Deploy("tiny", OPS, replicas=3)),
    ("deploy tiny --ctx 64", Deploy("tiny", ctx=64)),
    ("deploy tiny --ctx 16777216", Deploy("tiny", ctx=16_777_216)),
    ("deploy tiny --set a=1", Deploy("tiny", set=(("a", "1"),))),
    ("deploy tiny --set a=1 --set b=2", Deploy("tiny", set=(("a", "1"), ("b", "2")))),
    ("deploy tiny --set a=1 --set a=2", Deploy("tiny", set=(("a", "1"), ("a", "2")))),
    ("deploy tiny --set a=b=c", Deploy("tiny", set=(("a", "b=c"),))),
    ("deploy tiny --set 'a=b c'", Deploy("tiny", set=(("a", "b c"),))),
    ("deploy tiny --set a=“b c”", Deploy("tiny", set=(("a", "b c"),))),
    ("deploy tiny --set a=--b", Deploy("tiny", set=(("a", "--b"),))),
    ("deploy tiny --set a=#1", Deploy("tiny", set=(("a", "#1"),))),
]


PROMPTS = [
    ("infer tiny hello", Infer("tiny", "hello")),
    ("infer 'tiny' hello", Infer("tiny", "hello")),
    ("infer tiny\thello", Infer("tiny", "hello")),
    ("infer tiny\nhello", Infer("tiny", "\nhello")),
    ("infer tiny  two spaces", Infer("tiny", " two spaces")),
    ("infer tiny why?\n\n  - a\n  - b\n", Infer("tiny", "why?\n\n  - a\n  - b\n")),
    ("infer tiny ```py\nx = 'a'\n```", Infer("tiny", "```py\nx = 'a'\n```")),
    ('infer tiny say "hi"', Infer("tiny", 'say "hi"')),
    ('infer tiny "quoted"', Infer("tiny", '"quoted"')),
    ("infer tiny “smart” ‘quotes’", Infer("tiny", "“smart” ‘quotes’")),
    ("infer tiny it's fine", Infer("tiny", "it's fine")),
    ('infer tiny one " alone', Infer("tiny", 'one " alone')),
    ("infer tiny wait — what", Infer("tiny", "wait — what")),
    ("infer tiny — what", Infer("tiny", "— what")),
    ("infer tiny 🦀 and 日本語", Infer("tiny", "🦀 and 日本語")),
    ("infer tiny <b>&amp;</b>", Infer("tiny", "<b>&amp;</b>")),
    (r"infer tiny C:\temp\n", Infer("tiny", r"C:\temp\n")),
    ("infer tiny a\u00a0b", Infer("tiny", "a\u00a0b")),
    ("infer tiny what is --help", Infer("tiny", "what is --help")),
    ("infer tiny -1 plus 2", Infer("tiny", "-1 plus 2")),
    ("infer tiny !status", Infer("tiny", "!status")),
    ("infer tiny --max-tokens 5 hi there", Infer("tiny", "hi there", max_tokens=5)),
    ("infer tiny --max-tokens=5 hi", Infer("tiny", "hi", max_tokens=5)),
    ("infer tiny  --max-tokens  5 hi", Infer("tiny", "hi", max_tokens=5)),
    ("infer tiny\n--max-tokens 5\nhi", Infer("tiny", "\nhi", max_tokens=5)),
    ("infer tiny —max-tokens 5 hi", Infer("tiny", "hi", max_tokens=5)),
    ("infer tiny hi --max-tokens 5", Infer("tiny", "hi --max-tokens 5")),
    ("infer tiny --temperature 0 hi", Infer("tiny", "hi", temperature=0.0)),
    ("infer tiny --temperature 1.5 hi", Infer("tiny", "hi", temperature=1.5)),
    ("infer tiny --temperature .7 hi", Infer("tiny", "hi", temperature=0.7)),
    ('infer tiny --system "Be brief." hi', Infer("tiny", "hi", system="Be brief.")),
    ("infer tiny --system “Be brief.” hi", Infer("tiny", "hi", system="Be brief.")),
    ("infer tiny --system=“Be brief.” hi", Infer("tiny", "hi", system="Be brief.")),
    ("infer tiny --system “it's” hi", Infer("tiny", "hi", system="it's")),
    ("infer tiny --system it's hi", Infer("tiny", "hi", system="it's")),
    ("infer tiny --system a=b hi", Infer("tiny", "hi", system="a=b")),
    ("infer tiny --system 'two\nlines' hi", Infer("tiny", "hi", system="two\nlines")),
    ("infer tiny -- --help me", Infer("tiny", "--help me")),
    ("infer tiny --max-tokens 5 -- --why", Infer("tiny", "--why", max_tokens=5)),
    (
        'infer tiny --max-tokens 9 --temperature 0.2 --system "x" go',
        Infer("tiny", "go", max_tokens=9, temperature=0.2, system="x"),
    ),
]
