"""The files of docs/deploy: each is what its tool takes, all say the same, and no secret is where
an environment shows it.

The tools are in the `test` extra or Debian's: where one is missing, its test is skipped and says
so.
"""

import json
import re
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from tests.docs.deploy import CHART, DEPLOY, ROOT, TemplateRefused, render

from strongroom.node.cli.node_health import health
from strongroom.node.layout import NodeLayout

yaml: Any = pytest.importorskip("yaml", reason="PyYAML comes with the linters of the test extra")

UNIT = DEPLOY / "strongroom-node@.service"
DOCKERFILE, COMPOSE = DEPLOY / "Dockerfile", DEPLOY / "compose.yaml"
EXPOSURE_MAX = 2.0
NODE = "/var/lib/strongroom/node"
CONFIG = f"{NODE}/{NodeLayout(Path(NODE)).config.name}"
BESIDE = [
    str(NodeLayout(Path(NODE)).cluster.genesis),
    str(NodeLayout(Path(NODE)).cluster.credential),
]
IMAGE, USER = "strongroom:0.1.0", 10001
RPC, PEER = 7400, 7410
BIN = Path(sys.executable).parent


def tool(name: str) -> str:
    found = shutil.which(name, path=f"{BIN}:/usr/bin:/bin:/usr/local/bin")
    if found is None:
        pytest.skip(f"{name} is not here")
    return found


def ran(*command: str, given: str | None = None) -> str:
    done = subprocess.run(command, input=given, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def values(**changed: Any) -> dict[str, Any]:
    found: dict[str, Any] = yaml.safe_load((CHART / "values.yaml").read_text())
    return found | changed


def chart(**changed: Any) -> list[dict[str, Any]]:
    given = values(**changed)
    templates = sorted((CHART / "templates").iterdir())
    return [yaml.safe_load(render(one.read_text(), given)) for one in templates]


def base() -> list[dict[str, Any]]:
    folder = DEPLOY / "kubernetes"
    names = yaml.safe_load((folder / "kustomization.yaml").read_text())["resources"]
    return [yaml.safe_load((folder / name).read_text()) for name in names]


EVERYTHING: dict[str, Any] = {
    "imagePullSecrets": [{"name": "registry"}],
    "folder": {"storage": "128Gi", "storageClass": "fast"},
    "service": {
        "type": "LoadBalancer",
        "externalTrafficPolicy": "Local",
        "annotations": {"a.example/b": "c"},
    },
    "nodeSelector": {"sev": "snp"},
    "tolerations": [{"key": "sev", "operator": "Exists"}],
}
MANIFESTS: dict[str, Callable[[], list[dict[str, Any]]]] = {
    "base": base,
    "chart": chart,
    "chart with all": lambda: chart(**EVERYTHING),
}


def stateful_set(manifests: list[dict[str, Any]]) -> dict[str, Any]:
    (found,) = [one for one in manifests if one["kind"] == "StatefulSet"]
    return found


def container_of(manifests: list[dict[str, Any]]) -> dict[str, Any]:
    (found,) = stateful_set(manifests)["spec"]["template"]["spec"]["containers"]
    return dict(found)


def unit() -> dict[str, list[str]]:
    found: dict[str, list[str]] = {}
    for line in UNIT.read_text().split("\n"):
        name, separator, value = line.partition("=")
        if separator and not line.startswith("#"):
            found.setdefault(name, []).append(value)
    return found


# --- systemd --------------------------------------------------------------------------------------


def test_the_units_exposure_is_what_its_page_states() -> None:
    told = ran(tool("systemd-analyze"), "security", "--offline=yes", "--no-pager", str(UNIT))
    found = re.search(r"Overall exposure level for \S+: (\d+\.\d) ", told)
    assert found is not None, told
    assert float(found[1]) <= EXPOSURE_MAX
    assert f"exposure {found[1]}" in (ROOT / "docs" / "deploy.md").read_text()


def test_the_unit_has_no_word_that_systemd_does_not_know(tmp_path: Path) -> None:
    copy = tmp_path / UNIT.name
    copy.write_text(UNIT.read_text().replace("/opt/strongroom/bin/strongroom", "/bin/true"))
    done = subprocess.run(
        [tool("systemd-analyze"), "verify", "--man=no", str(copy)],
        capture_output=True,
        text=True,
        check=False,
    )
    assert (done.returncode, done.stdout + done.stderr) == (0, "")


def test_the_unit_gives_what_the_enclave_asks_for_and_nothing_else() -> None:
    said = unit()
    two = ["CAP_SETUID CAP_SETGID"]
    assert said["AmbientCapabilities"] == said["CapabilityBoundingSet"] == two
    calls = {name for line in said["SystemCallFilter"] for name in line.split()}
    needed = {"landlock_create_ruleset", "landlock_restrict_self", "seccomp", "memfd_secret"}
    needed |= {"setgroups", "setresgid", "setresuid", "capget", "capset", "setrlimit", "prlimit64"}
    assert needed <= calls
    hidden = {"ProtectProc", "ProcSubset", "PrivateUsers"} & said.keys()
    assert not hidden, "the host looks at its enclave's process, which is another user's"
    assert said["RestartPreventExitStatus"] == ["2"]
    assert said["ExecReload"] == ["/bin/kill -HUP $MAINPID"]
    assert said["Type"] == ["notify"]


# --- the image ------------------------------------------------------------------------------------


def test_the_dockerfile_is_linted() -> None:
    assert ran(tool("hadolint"), str(DOCKERFILE)) == ""


def test_the_image_is_pinned_by_whoever_builds_it_and_runs_as_nobody_else() -> None:
    lines = DOCKERFILE.read_text().split("\n")
    assert "ARG BASE" in lines, "without a default: a tag is another image tomorrow"
    bases = [line for line in lines if line.startswith("FROM")]
    assert bases == ["FROM ${BASE} AS build", "FROM ${BASE}"]
    assert f"USER {USER}:{USER}" in lines
    assert "STOPSIGNAL SIGTERM" in lines
    assert f"EXPOSE {RPC} {PEER}" in lines
    assert not [line for line in lines if line.startswith("VOLUME")]
    copied = {word for line in lines if line.startswith("COPY") for word in line.split()[1:]}
    assert copied >= {"consensus", "enclave", "node", "pyproject.toml"}
    assert all((ROOT / name).exists() for name in copied if name[0].isalpha())


# --- compose --------------------------------------------------------------------------------------


def test_the_compose_file_is_one() -> None:
    ran(tool("check-jsonschema"), "--builtin-schema", "vendor.compose-spec", str(COMPOSE))


def test_each_service_of_the_compose_file_has_one_folder_and_two_capabilities() -> None:
    services = yaml.safe_load(COMPOSE.read_text())["services"]
    folders = [one["volumes"][0].split(":")[0] for one in services.values()]
    assert len(services) == 4
    assert len({*folders}) == 4, "a folder in two containers is two lives of the same keys"
    for one in services.values():
        assert one["read_only"] is True
        assert one["cap_drop"] == ["ALL"]
        assert sorted(one["cap_add"]) == ["SETGID", "SETUID"]
        assert one["security_opt"] == ["no-new-privileges:true"]
        assert one["stop_grace_period"] == "30s"
        for command in (one["entrypoint"], one["healthcheck"]["test"][1:]):
            assert command[:4] == [
                "setpriv",
                f"--reuid={USER}",
                f"--regid={USER}",
                "--clear-groups",
            ]
        assert [entry.rpartition("/")[2] for entry in folders] == [*services]
        mounted = {entry.split(":")[1] for entry in one["volumes"]}
        assert mounted == {NODE, *BESIDE}


# --- Kubernetes -----------------------------------------------------------------------------------


@pytest.mark.parametrize("which", MANIFESTS)
def test_every_manifest_is_valid_to_the_last_field(which: str) -> None:
    kubernetes_validate: Any = pytest.importorskip("kubernetes_validate", reason="it is not here")
    for one in MANIFESTS[which]():
        kubernetes_validate.validate(one, "1.37", strict=True)


def test_the_base_is_what_kubectl_makes_of_it() -> None:
    made = ran(tool("kubectl"), "kustomize", str(DEPLOY / "kubernetes"))
    assert [*yaml.safe_load_all(made)] == sorted(base(), key=lambda one: str(one["kind"]))


def test_the_chart_with_its_own_values_is_the_base() -> None:
    given = chart()
    for one in given:
        if one["kind"] == "Service":
            assert one["spec"].pop("type") == "ClusterIP", "what Kubernetes assumes"
    assert sorted(given, key=lambda one: str(one["kind"])) == sorted(
        base(), key=lambda one: str(one["kind"])
    )


def test_T25_the_chart_has_one_replica_and_refuses_another_number() -> None:
    jsonschema: Any = pytest.importorskip("jsonschema", reason="it is not here")
    schema = json.loads((CHART / "values.schema.json").read_text())
    jsonschema.validate(values(), schema)
    jsonschema.validate(values(**EVERYTHING), schema)
    others: list[dict[str, Any]] = [{"replicas": 2}, {"replicas": 0}, {"replicaCount": 2}]
    for wrong in [*others, {"env": []}]:
        with pytest.raises(jsonschema.ValidationError):
            jsonschema.validate(values(**wrong), schema)
    for which in MANIFESTS.values():
        assert stateful_set(which())["spec"]["replicas"] == 1
    text = (CHART / "templates" / "statefulset.yaml").read_text()
    assert "  replicas: 1\n" in text, "no value can change it"
    assert "OnDelete" in text


@pytest.mark.parametrize("which", MANIFESTS)
def test_a_pod_is_restricted_and_probed_by_the_node_itself(which: str) -> None:
    manifests = MANIFESTS[which]()
    pod = stateful_set(manifests)["spec"]["template"]["spec"]
    node = container_of(manifests)
    assert pod["automountServiceAccountToken"] is False
    assert pod["enableServiceLinks"] is False
    assert pod["securityContext"]["runAsNonRoot"] is True
    assert pod["securityContext"]["runAsUser"] == USER
    assert pod["securityContext"]["seccompProfile"] == {"type": "RuntimeDefault"}
    assert node["securityContext"] == {
        "allowPrivilegeEscalation": False,
        "readOnlyRootFilesystem": True,
        "capabilities": {"drop": ["ALL"]},
    }
    probes = {name: node[f"{name}Probe"]["exec"]["command"] for name in ("startup", "liveness")}
    for command in probes.values():
        assert command == ["strongroom", "node", health.__name__, "--live", "--config", CONFIG]
    ready = node["readinessProbe"]["exec"]["command"]
    assert ready == ["strongroom", "node", health.__name__, "--config", CONFIG]
    private = [one for one in node["volumeMounts"] if one["name"] == "private"]
    layout = NodeLayout(Path(NODE))
    assert {one["mountPath"] for one in private} == {
        str(layout.tls_key),
        str(layout.chip / "simulated-chip"),
        str(layout.cluster.credential),
    }
    assert {one["mountPath"] for one in node["volumeMounts"]} >= {*BESIDE}
    assert all(one["readOnly"] for one in private)


# --- all of them ----------------------------------------------------------------------------------


def environments(value: Any) -> Iterator[Any]:
    """Whatever would set an environment, wherever it stands."""
    if isinstance(value, dict):
        for name, inner in value.items():
            if name in ("env", "envFrom", "environment", "env_file", "Environment"):
                yield inner
            yield from environments(inner)
    elif isinstance(value, list):
        for inner in value:
            yield from environments(inner)


def test_no_secret_is_in_an_environment() -> None:
    found = [*environments(yaml.safe_load(COMPOSE.read_text()))]
    for which in MANIFESTS.values():
        found += environments(which())
    assert found == []
    assert not {"Environment", "EnvironmentFile", "PassEnvironment"} & unit().keys()
    set_in_image = re.findall(r"^ENV (.*)$", DOCKERFILE.read_text(), re.MULTILINE)
    assert set_in_image == ["PYTHONDONTWRITEBYTECODE=1 PATH=/opt/strongroom/bin:$PATH"]
    assert re.findall(r"^ARG (.*)$", DOCKERFILE.read_text(), re.MULTILINE) == ["BASE"]


@pytest.mark.parametrize(
    "bad",
    [
        {"containers": [{"env": [{"name": "KEY", "value": "x"}]}]},
        {"containers": [{"envFrom": [{"secretRef": {"name": "x"}}]}]},
        {"services": {"n1": {"environment": {"STRONGROOM_PASSPHRASE": "x"}}}},
    ],
)
def test_an_environment_is_found_wherever_it_stands(bad: dict[str, Any]) -> None:
    assert [*environments(bad)]


def test_all_say_the_same_of_image_ports_paths_and_user() -> None:
    services = yaml.safe_load(COMPOSE.read_text())["services"].values()
    assert {one["image"] for one in services} == {IMAGE}
    assert all(one["ports"][0].endswith(f":{RPC}") for one in services)
    assert all(one["command"] == ["run", "--config", CONFIG] for one in services)
    for which in ("base", "chart"):
        manifests = MANIFESTS[which]()
        node = container_of(manifests)
        assert node["image"] == IMAGE
        assert node["args"] == ["run", "--config", CONFIG]
        assert [one["containerPort"] for one in node["ports"]] == [RPC, PEER]
        template = stateful_set(manifests)["spec"]["template"]
        assert "annotations" not in template["metadata"], "a job of annotated pods: see test_alerts"
        (service,) = [one for one in manifests if one["kind"] == "Service"]
        assert [one["port"] for one in service["spec"]["ports"]] == [RPC, PEER]
        assert {one["mountPath"] for one in node["volumeMounts"]} > {NODE}
    text = DOCKERFILE.read_text()
    assert f'"run", "--config", "{CONFIG}"' in text
    assert f'"health", "--config", "{CONFIG}"' in text
    assert f"strongroom:{_version()}" == IMAGE
    (command,) = unit()["ExecStart"]
    path = CONFIG.replace("/node/", "/%i/")
    assert command == f"/opt/strongroom/bin/strongroom node run --config {path}"
    chart_file = yaml.safe_load((CHART / "Chart.yaml").read_text())
    assert chart_file["version"] == chart_file["appVersion"] == _version()


def _version() -> str:
    found = re.search(r'^version = "(.*)"$', (ROOT / "pyproject.toml").read_text(), re.MULTILINE)
    assert found is not None
    return found[1]


# --- the renderer itself --------------------------------------------------------------------------


@pytest.mark.parametrize(
    "template",
    [
        "a: {{ .Values.missing }}",
        "a: {{ .Values.name | quote }}",
        'a: {{ include "x" . }}',
        "{{- if .Values.name }}\na: 1",
        "{{- end }}",
        "{{- if .Values.name }}\na: 1\n{{- else }}\na: 2\n{{- end }}",
        "{{- with .Values.name }}\na: 1\n{{- end }}",
        "{{- range .Values.name }}\n- a\n{{- end }}",
        "a: {{ .Values.ports }}",
        "a: {{ .Release.Name }}",
    ],
)
def test_a_template_that_goes_further_is_refused(template: str) -> None:
    with pytest.raises(TemplateRefused):
        render(template, values())


def test_lookups_if_range_and_to_yaml_are_what_helm_makes_of_them() -> None:
    given = {"a": {"b": "c"}, "on": True, "off": "", "many": ["x", "y"], "deep": {"k": [1]}}
    template = (
        "a: {{ .Values.a.b }}\n{{- if .Values.on }}\nb: 1\n{{- end }}\n"
        "{{- if .Values.off }}\nc: 1\n{{- end }}\n"
        "l:\n{{- range .Values.many }}\n- {{ . }}\n{{- end }}\nd:\n"
        "{{ toYaml .Values.deep | indent 2 }}"
    )
    assert yaml.safe_load(render(template, given)) == {
        "a": "c",
        "b": 1,
        "l": ["x", "y"],
        "d": {"k": [1]},
    }
