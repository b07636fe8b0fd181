"""A configuration that is wrong says where, and starts nothing."""

import copy
from decimal import Decimal

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from domain.arguments import Condition
from domain.costs import Price
from domain.defaults import Defaults
from domain.errors import ConfigError
from domain.people import Person, Role
from domain.rules import Rule
from domain.subjects import Subjects
from ops_config.load import load, parse
from ops_config.settings import Settings
from ops_config.values import policy, prices, rooms_asked

GOOD = {
    "matrix": {
        "homeserver": "https://matrix.example.org",
        "user_id": "@gantry:example.org",
        "password_file": "/run/secrets/matrix-password",
    },
    "state": {"url": "sqlite:////var/lib/gantry/gantry.db"},
    "environments": {"dev": {"targets": ["local"]}},
    "rooms": {"#ops:example.org": {"environment": "dev"}},
    "access": {"viewer": ["*"], "operator": ["@*:example.org"]},
    "targets": {"local": {"kind": "process"}, "stage": {"kind": "rehearsal"}},
}
GONE = object()


def changed(path, value):
    raw = copy.deepcopy(GOOD)
    *parents, key = path.split("/")
    place = raw
    for part in parents:
        place = place.setdefault(part, {})
    if value is GONE:
        del place[key]
    else:
        place[key] = value
    return raw


def rule(**said):
    """A role with one rule."""
    return {"who": ["*"], "may": [{"commands": ["scale"], **said}]}


def complaint(raw):
    with pytest.raises(ConfigError) as caught:
        parse(raw)
    return caught.value.summary


def test_what_is_right_is_taken():
    settings = parse(GOOD)
    assert settings.targets["local"].kind == "process"
    assert settings.matrix.prefix == "!"
    assert settings.monitoring.probe_every == 10.0
    assert settings.state.keep_for == 90 * 86400
    assert parse(changed("state/keep_for", "11m")).state.keep_for == 660


@pytest.mark.parametrize(
    ("path", "value", "said"),
    [
        ("matirx", {}, "matirx: no such key; did you mean `matrix`?"),
        ("zzz", 1, "zzz: no such key; there is access, audit, environments,"),
        ("matrix/homserver", "x", "matrix.homserver: no such key; did you mean `homeserver`?"),
        ("state/uri", "x", "state.uri: no such key; did you mean `url`?"),
        ("environments/dev/target", "x", "environments.dev.target: no such key; did you mean"),
        ("rooms/#ops:example.org/enviroment", "x", "did you mean `environment`?"),
        ("access/operators", [], "access.operators: no such key; did you mean `operator`?"),
        ("monitoring/probe_evry", 1, "monitoring.probe_evry: no such key; did you mean"),
        ("targets/local/thread", 1, "targets.local: thread: no such key; did you mean `threads`?"),
        ("targets/stage/sript", "smooth", "targets.stage: sript: no such key; did you mean"),
    ],
)
def test_an_unknown_key_is_named_by_its_path_with_the_nearest_one(path, value, said):
    assert said in complaint(changed(path, value))


@pytest.mark.parametrize("section", ["services", "webhooks", "schedules"])
def test_a_section_of_a_later_release_is_refused_in_kinder_words(section):
    assert f"{section}: no such key; it belongs to a later release" in complaint(
        changed(section, {})
    )


@pytest.mark.parametrize(
    ("path", "value", "said"),
    [
        ("matrix", GONE, "matrix: is missing"),
        ("targets", GONE, "targets: is missing"),
        ("matrix/user_id", GONE, "matrix.user_id: is missing"),
        ("matrix", [], "matrix: "),
        ("matrix", None, "matrix: "),
        ("matrix/homeserver", 7, "matrix.homeserver: "),
        ("matrix/homeserver", "matrix.example.org", "matrix.homeserver: "),
        ("matrix/homeserver", "ftp://example.org", "matrix.homeserver: "),
        ("matrix/user_id", "gantry", "matrix.user_id: "),
        ("matrix/prefix", "/", "matrix.prefix: "),
        ("matrix/prefix", "", "matrix.prefix: "),
        ("matrix/prefix", "gantry ", "matrix.prefix: "),
        ("matrix/password_env", "PW", "both password_file and password_env"),
        ("matrix/access_token_file", "/t", "both password_file and access_token_file"),
        ("matrix/password_file", GONE, "it has none of them"),
        ("environments", {}, "environments: "),
        ("environments/dev/targets", [], "environments.dev.targets: "),
        ("environments/dev/targets", "local", "environments.dev.targets: "),
        (
            "environments/dev/approvals",
            {"deplyo": {}},
            "environments.dev.approvals.deplyo.[key]: `deplyo` changes nothing; did you mean",
        ),
        ("environments/dev/approvals", {"ping": "none"}, "`ping` changes nothing"),
        ("environments/dev/approvals", {"stop": "perhaps"}, "environments.dev.approvals.stop: "),
        ("environments/dev/approvals", {"stop": {"quorum": -1}}, "approvals.stop.quorum: "),
        ("environments/dev/approvals", {"stop": {"qourum": 1}}, "did you mean `quorum`?"),
        ("environments/dev/approvals", {"stop": {"by": "oparator"}}, "did you mean `operator`?"),
        (
            "environments/dev/approvals",
            {"stop": {"by": "requester", "quorum": 2}},
            "only one person can confirm",
        ),
        ("environments/dev/approvals", {"stop": {"within": "0s"}}, "approvals.stop.within: "),
        ("environments/dev/targets", ["mars"], "environments.dev: there is no target `mars`"),
        ("environments/dev/default_target", "stage", "is not one of its targets"),
        ("environments/dev/default_target", "mars", "there is no target `mars`"),
        ("rooms/ops", {"environment": "dev"}, "`ops` is no room id (!...) or alias (#...)"),
        ("rooms/#ops:example.org/environment", "prod", "there is no environment `prod`"),
        ("access/operator", ["ann"], "access.operator.0: `ann` is not a Matrix id such as @*:host"),
        ("access/operator", ["*", "power:lots"], "access.operator.1: `power:lots` is nobody; did"),
        ("access/operator", ["pwoer:50"], "`pwoer:50` is nobody; did you mean `power:50`?"),
        ("access/operator", ["room:ops"], "did you mean `room:#alias:server` or `room:!id`?"),
        ("access/operator", ["room:#ops"], "access.operator.0: `room:#ops` is nobody"),
        ("access/operator", ["webhooks:ci"], "did you mean `webhook:ci`?"),
        ("access/operator", ["webhook:"], "access.operator.0: `webhook:` is nobody"),
        ("access/operator", ["keeper"], "access.operator.0: `keeper` is not a Matrix id"),
        ("access/operator", ["**"], "access.operator.0: `**` is not a Matrix id"),
        ("matrix/invites_from", ["power:50"], "invites_from: `power:50` is not a Matrix id"),
        ("roles/scaler", {}, "roles.scaler.who: is missing"),
        ("roles/scaler", {"who": []}, "roles.scaler.who: "),
        ("roles/scaler", {"who": ["ann"]}, "roles.scaler.who.0: `ann` is not a Matrix id"),
        ("roles/Scaler", {"who": ["*"]}, "roles.Scaler"),
        ("roles/admin", {"who": ["*"]}, "`admin` is there already; `access.admin` says who"),
        ("roles/nobody", {"who": ["*"]}, "`nobody` is there already"),
        ("roles/s", rule(commands=[]), "roles.s.may.0.commands: "),
        (
            "roles/s",
            rule(commands=["sclae"]),
            "may.0.commands.0: `sclae` is no command that",
        ),
        ("roles/s", rule(commands=["sclae"]), "did you mean `scale`?"),
        ("roles/s", rule(commands=["status"]), "`status` is no command that takes a role"),
        ("roles/s", rule(commands=["repair"]), "`repair` is no command that takes a role"),
        ("roles/s", rule(comands=["scale"]), "comands: no such key; did you mean `commands`?"),
        ("roles/s", rule(environments=["deb"]), "may.0: there is no environment `deb`; did you"),
        ("roles/s", rule(environments=[]), "roles.s.may.0.environments: "),
        ("roles/s", rule(targets=["gpu-*"]), "roles.s.may.0: `gpu-*` fits no target; there is"),
        ("roles/s", rule(targets=["locale"]), "fits no target; did you mean `local`?"),
        ("roles/s", rule(when=["replcas<=4"]), "may.0.when.0: `replcas<=4`: there is no argument"),
        ("roles/s", rule(when=["replcas<=4"]), "did you mean `replicas`?"),
        ("roles/s", rule(when=["replicas"]), "`replicas` is no condition; write"),
        ("roles/s", rule(when=["replicas<4"]), "`replicas<4` is no condition; write"),
        ("roles/s", rule(when=["replicas<=many"]), "`many` is no number"),
        ("roles/s", rule(when=["source<=hf://a"]), "`source` is no number; write `source=...`"),
        ("roles/s", rule(when=["replicas<="]), "is no condition"),
        ("roles/s", rule(when="replicas<=4"), "roles.s.may.0.when: "),
        ("roles/s", rule(when=[4]), "roles.s.may.0.when.0: "),
        (
            "environments/dev/defaults",
            {"gpus": 1},
            "gpus: no such key; did you mean `gpu`?",
        ),
        ("environments/dev/defaults", {"gpu": "all"}, "environments.dev.defaults.gpu"),
        ("environments/dev/defaults", {"gpu": 65}, "environments.dev.defaults.gpu"),
        ("environments/dev/defaults", {"replicas": 0}, "environments.dev.defaults.replicas: "),
        ("environments/dev/defaults", {"context": 1}, "environments.dev.defaults.context: "),
        ("environments/dev/defaults", {"settings": {"a": []}}, "dev.defaults.settings.a: "),
        ("environments/dev/defaults", {"settings": {"a": True}}, "dev.defaults.settings.a: "),
        ("environments/dev/defaults", {"drain_timeout": "-1s"}, "dev.defaults.drain_timeout: "),
        ("environments/dev/defaults", {"cpus": 0}, "dev.defaults.cpus: "),
        ("environments/dev/defaults", {"cpus": "all"}, "dev.defaults.cpus: "),
        ("environments/dev/defaults", {"memory": 8}, "memory: has no unit; write for example 512m"),
        ("environments/dev/defaults", {"memory": "8x"}, "`8x` is no amount of memory"),
        ("environments/dev/defaults", {"memory": "1k"}, "dev.defaults.memory: "),
        ("roles/s", rule(when=["memory<=16"]), "`16` is no amount of memory"),
        ("roles/s", rule(when=["namespace<=a"]), "`namespace` is no number; write `namespace=...`"),
        (
            "environments/dev/defaults",
            {"namespace": "Team_A"},
            "dev.defaults.namespace: `Team_A` cannot be a namespace: use small letters",
        ),
        ("environments/dev/defaults", {"namespace": ""}, "dev.defaults.namespace: "),
        ("environments/dev/defaults", {"namespace": "none"}, "dev.defaults.namespace: "),
        ("environments/dev/defaults", {"namespace": 7}, "dev.defaults.namespace: "),
        ("targets/stage/cost_per_hour", "1.20", "`1.20` is no price; write for example `1.20 EUR`"),
        ("targets/stage/cost_per_hour", 1.2, "targets.stage: cost_per_hour: "),
        ("access/operator", "@ann:example.org", "access.operator: "),
        ("access/viewer", [7], "access.viewer.0: "),
        ("monitoring/probe_every", "often", "is not a duration; write for example 30s"),
        ("monitoring/probe_every", "10 s", "is not a duration"),
        ("monitoring/probe_every", "-5s", "is not a duration"),
        ("monitoring/probe_every", "0s", "monitoring.probe_every: "),
        ("monitoring/probe_every", -1, "monitoring.probe_every: "),
        ("monitoring/probe_every", [], "monitoring.probe_every: "),
        ("matrix/max_command_age", "999999999d", "matrix.max_command_age: "),
        ("matrix/max_command_age", float("inf"), "matrix.max_command_age: "),
        ("matrix/max_command_age", float("nan"), "matrix.max_command_age: "),
        ("state/keep_for", "10m", "state.keep_for must be longer than matrix.max_command_age"),
        ("matrix/max_command_age", "90d", "could run twice"),
        ("state/keep_for", "a while", "state.keep_for: is not a duration"),
        ("targets", {}, "targets: "),
        ("targets/local", {}, "targets.local: needs a `kind`: docker, process, rehearsal"),
        ("targets/local", "process", "targets.local: needs a `kind`"),
        ("targets/local", None, "targets.local: needs a `kind`"),
        ("targets/local/kind", "proces", "`proces` is not a kind of target; did you mean"),
        ("targets/local/kind", "mainframe", "`mainframe` is not a kind of target; there are"),
        ("targets/local/kind", None, "targets.local: "),
        ("targets/local/threads", "many", "targets.local: threads: "),
        ("targets/stage/script", "tragedy", "targets.stage: script: "),
        ("targets/Local", {"kind": "process"}, "targets.Local"),
    ],
)
def test_what_is_wrong_is_named_by_its_path(path, value, said):
    summary = complaint(changed(path, value))
    assert said in summary
    assert "nothing was started" in summary


@pytest.mark.parametrize(
    ("written", "seconds"),
    [("30s", 30), ("10m", 600), ("1.5h", 5400), ("2d", 172_800), (7, 7), (0.5, 0.5)],
)
def test_durations_have_units_or_are_seconds(written, seconds):
    assert parse(changed("monitoring/probe_every", written)).monitoring.probe_every == seconds


def test_everything_wrong_is_told_at_once_up_to_a_point():
    raw = changed("matrix", {f"x{n}": n for n in range(20)})
    lines = complaint(raw).splitlines()
    assert len(lines) == 8
    assert lines[-1].strip().startswith("... and ")


@given(
    st.dictionaries(
        st.sampled_from([*GOOD, "zzz"]),
        st.recursive(
            st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=4),
            lambda inner: (
                st.lists(inner, max_size=3)
                | st.dictionaries(st.text(max_size=4) | st.sampled_from(["kind", "dev"]), inner)
            ),
            max_leaves=8,
        ),
    )
)
def test_no_file_whatsoever_raises_anything_but_a_config_error(raw):
    with pytest.raises(ConfigError):
        parse({**raw, "zzz": 1})


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("", "holds no settings"),
        ("- a\n- b\n", "holds no settings"),
        ("just words", "holds no settings"),
        ("matrix: [", "is not YAML"),
        ("matrix: {a: b\n\tc", "is not YAML"),
        ("a: !!python/object/apply:os.system [ls]", "is not YAML"),
        ("\x00", "is not YAML"),
        (b"\xff\xfe\xfa", "is not YAML"),
    ],
)
def test_a_file_that_holds_no_settings_says_so_in_a_line(tmp_path, text, said):
    file = tmp_path / "gantry.yaml"
    file.write_bytes(text if isinstance(text, bytes) else text.encode())
    with pytest.raises(ConfigError) as caught:
        load(file)
    assert said in caught.value.summary
    assert str(file) in caught.value.summary
    assert len(caught.value.summary.splitlines()) == 1


def test_a_file_that_cannot_be_read_says_why_and_how_to_get_one(tmp_path):
    for path in (tmp_path / "missing.yaml", tmp_path):
        with pytest.raises(ConfigError, match="cannot be read") as caught:
            load(path)
        assert "gantry sample-config" in caught.value.hint


def test_a_good_file_is_read(tmp_path):
    file = tmp_path / "gantry.yaml"
    file.write_text(yaml.safe_dump(GOOD))
    assert load(file) == Settings.model_validate(GOOD)


def test_roles_and_rooms_become_the_policy():
    raw = changed("environments/dev/targets", ["stage", "local"])
    rules = policy(parse(raw))
    assert rules.role(Person("@ann:example.org", "!1")) is Role.OPERATOR
    assert rules.role(Person("@eve:evil.org", "!1")) is Role.VIEWER
    assert rules.environment("#ops:example.org").default_target == "stage"
    assert rules.environment("#ops:example.org").targets == ("stage", "local")
    assert rules.environment("!2:example.org") is None


def test_roles_of_ones_own_become_rules_that_know_where_they_stand():
    raw = changed(
        "roles/scaler",
        {
            "who": ["@ops-*:example.org", "room:#oncall:example.org"],
            "may": [
                {"commands": ["scale", "restart"], "environments": ["dev"], "targets": ["lo*"]},
                {"commands": ["*"], "when": ["replicas <= 4", "source=hf://org/*"]},
            ],
        },
    )
    (role,) = policy(parse(raw)).named
    assert rooms_asked(parse(raw)) == ("#oncall:example.org",)
    assert role.name == "scaler"
    assert role.who == Subjects(("@ops-*:example.org", "room:#oncall:example.org"))
    assert role.may == (
        Rule(("scale", "restart"), ("dev",), ("lo*",), (), "roles.scaler.may.0"),
        Rule(
            ("*",),
            when=(Condition("replicas", "<=", "4"), Condition("source", "=", "hf://org/*")),
            origin="roles.scaler.may.1",
        ),
    )


def test_an_environment_says_what_new_services_are_there():
    said = {"replicas": 2, "gpu": "none", "context": 512, "settings": {"threads": 4, "a": "b"}}
    said |= {"startup_budget": "5m", "drain_timeout": 7, "cpus": 2, "memory": "8g"}
    said |= {"namespace": "team-a"}
    rules = policy(parse(changed("environments/dev/defaults", said)))
    assert rules.called("dev").defaults == Defaults(
        2, "none", 512, 2.0, 2**33, (("a", "b"), ("threads", "4")), 300.0, 7.0, "team-a"
    )
    assert policy(parse(GOOD)).called("dev").defaults == Defaults()


def test_what_a_replica_costs_is_known_of_the_targets_that_say_so():
    raw = changed("targets/stage/cost_per_hour", "1.20 EUR")
    assert prices(parse(raw)) == {"stage": Price(Decimal("1.20"), "EUR")}
