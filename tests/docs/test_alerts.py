"""Each alert of docs/deploy/prometheus fires when it should, and not when it should not: promtool
(Debian's package `prometheus`) is the judge. Where it is missing this is skipped; CI installs it.
"""

import json
import re
import shutil
import subprocess
from pathlib import Path
from typing import Any, NamedTuple

import pytest
from cryptography import x509
from tests.docs.promql import metrics_in

from strongroom.node import tls
from strongroom.node.config import Address
from strongroom.node.metrics.catalogue import METRICS

yaml: Any = pytest.importorskip("yaml", reason="PyYAML comes with the linters of the test extra")

ROOT = Path(__file__).parents[2]
FOLDER = ROOT / "docs" / "deploy" / "prometheus"
RULES, SCRAPE = FOLDER / "alerts.yml", FOLDER / "prometheus.yml"
SCRAPES = (SCRAPE, FOLDER / "kubernetes.yml")
PAGE = ROOT / "docs" / "alerts.md"
NODE = {"job": "strongroom", "instance": "n0:7400"}
ALL = {"job": "strongroom"}
ONE = {"instance": "n0:7400"}


class Case(NamedTuple):
    """Made-up series, and what is to fire at a minute."""

    alert: str
    words: str
    series: dict[str, str]
    minute: int
    fires: tuple[tuple[str, dict[str, str]], ...] = ()
    """(severity, its other labels)."""
    interval: str = "1m"
    """From one scrape to the next."""


def one(name: str, more: str = "", instance: str = "n0") -> str:
    """A series of a node."""
    return f'{name}{{job="strongroom", instance="{instance}:7400"{more and ", " + more}}}'


def s(name: str, more: str = "", instance: str = "n0") -> str:
    """A series of this project's, of a node."""
    return one(f"strongroom_{name}", more, instance)


def four(up: int) -> dict[str, str]:
    """Four nodes, of which so many answer."""
    shown = {one("up", instance=f"n{i}"): "1x20" if i < up else "0x20" for i in range(4)}
    known = {s("consensus_quorum_size", instance=f"n{i}"): "3x20" for i in range(up)}
    return shown | known


def silent(nodes: int) -> dict[str, str]:
    """So many nodes of a service of four, which answered for half an hour and then no more."""
    shown = {one("up", instance=f"n{i}"): "1x30 0x300" for i in range(nodes)}
    names = [s("consensus_quorum_size", instance=f"n{i}") for i in range(nodes)]
    return shown | dict.fromkeys(names, "3x30 stale")


def syncs(slow: float) -> dict[str, str]:
    """60 syncs a minute, each of which takes so long."""
    bounds = (0.05, 0.1, 0.25, 0.5, 1.0)
    taken = {
        s("log_fsync_seconds_bucket", f'le="{bound}"'): f"0+{60 if slow <= bound else 0}x30"
        for bound in bounds
    }
    return {**taken, s("log_fsync_seconds_bucket", 'le="+Inf"'): "0+60x30"}


HEIGHT, WAITING = s("consensus_height"), s("mempool_envelopes")
BEHIND, BACKLOG = s("consensus_behind_blocks"), s("consensus_backlog_blocks")
NULLIFIED, BLOCKS = s("consensus_views_nullified_total"), s("consensus_blocks_total")
DISK, AGE = s("disk_free_bytes"), s("attestation_age_seconds", 'peer="n3"')
LIMIT, REFUSED = s("attestation_age_limit_seconds"), s("mempool_refused_total", 'reason="full"')
QUORUM, EXECUTING = s("consensus_quorum_size"), s("consensus_executing_validators")
EVIDENCE, STARTS = (
    s("attestation_refusals_total", 'reason="measurement"'),
    s("enclave_restarts_total"),
)
RPC = s("rpc_requests_total", 'method="ledger_block", code="-32005"')
NOT_FOUND = s("rpc_requests_total", 'method="ledger_block", code="-32001"')
PAGED, TICKET = (("page", NODE),), (("ticket", NODE),)
CASES = [
    Case("NoProgress", "they wait, the height rests", {HEIGHT: "7x20", WAITING: "3x20"}, 5, PAGED),
    Case("NoProgress", "nothing waits", {HEIGHT: "7x20", WAITING: "0x20"}, 5),
    Case("NoProgress", "blocks come", {HEIGHT: "7+1x20", WAITING: "3x20"}, 5),
    Case(
        "NoProgress",
        "blocks come, and are looked at each 75 s: more than a minute apart",
        {HEIGHT: "7+1x20", WAITING: "3x20"},
        10,
        interval="75s",
    ),
    Case("NoQuorum", "two of four answer", four(2), 5, (("page", ALL),)),
    Case("NoQuorum", "three of four answer", four(3), 5),
    Case("NoQuorum", "none has answered for five hours", silent(4), 330, (("page", ALL),)),
    Case("NoQuorum", "none ever answered", four(0), 5, (("page", ALL),)),
    Case("NoQuorum", "the one node that is looked at", silent(1), 330),
    Case(
        "NoQuorum",
        "seven validators have become four, and three are gone",
        {
            **{one("up", instance=f"n{i}"): "1x90" if i < 4 else "1x30 0x60" for i in range(7)},
            **{s("consensus_quorum_size", instance=f"n{i}"): "5x30 3x60" for i in range(4)},
        },
        80,
    ),
    Case(
        "NoQuorum",
        "an organisation that looks at its own node alone",
        {one("up"): "1x20", QUORUM: "3x20", EXECUTING: "4x20"},
        5,
    ),
    Case(
        "NoQuorum",
        "all vote, and two execute",
        {one("up"): "1x20", QUORUM: "3x20", EXECUTING: "2x20"},
        5,
        (("page", ALL),),
    ),
    Case("NodeDown", "silent for five minutes", {one("up"): "0x20"}, 6, TICKET),
    Case("NodeDown", "silent for two", {one("up"): "1x2 0x20"}, 5),
    Case("NodeDown", "started again after three", {one("up"): "0x3 1x20"}, 6),
    Case("NodeBehind", "and it stays so", {BEHIND: "40x20", BACKLOG: "20x20"}, 6, TICKET),
    Case("NodeBehind", "it catches up", {BEHIND: "90-30x3 0x20", BACKLOG: "0x20"}, 6),
    Case(
        "ViewsNullified",
        "every second view is given up",
        {NULLIFIED: "0+10x40", BLOCKS: "0+10x40"},
        30,
        TICKET,
    ),
    Case("ViewsNullified", "one in eleven", {NULLIFIED: "0+10x40", BLOCKS: "0+100x40"}, 30),
    Case("ViewsNullified", "an idle night", {NULLIFIED: "0x20 1x20", BLOCKS: "0x20 1x20"}, 30),
    Case("FsyncSlow", "0.2 s", syncs(0.2), 15, (("ticket", ONE),)),
    Case("FsyncSlow", "above 0.5 s", syncs(0.9), 15, (("ticket", ONE), ("page", ONE))),
    Case("FsyncSlow", "50 ms", syncs(0.05), 15),
    Case("ArchiveFailing", "for an hour", {s("archive_failing"): "1x60"}, 30, TICKET),
    Case("ArchiveFailing", "for a moment", {s("archive_failing"): "0x9 1x5 0x60"}, 30),
    Case("ArchiveFailing", "never", {s("archive_failing"): "0x60"}, 30),
    Case("DiskFull", "by a GiB a minute", {DISK: "300000000000-1073741824x200"}, 180, PAGED),
    Case("DiskFull", "by a MiB a minute", {DISK: "300000000000-1048576x200"}, 180),
    Case("DiskFull", "nothing is left, and it rests", {DISK: "200000000x200"}, 180, PAGED),
    Case("Alarm", "raised, and not over", {s("alarm"): "0x2 1x20"}, 5, PAGED),
    Case("Alarm", "over at once", {s("alarm"): "0 1 0x20"}, 5),
    Case(
        "Equivocation",
        "a proof was found",
        {s("consensus_equivocations_total"): "0x3 1x20"},
        5,
        PAGED,
    ),
    Case(
        "Equivocation",
        "one was, and the node has been started again, which counts from 0",
        {s("consensus_equivocations_total"): "0x3 1x20 0x300"},
        300,
        PAGED,
    ),
    Case("Equivocation", "none was", {s("consensus_equivocations_total"): "0x20"}, 5),
    Case(
        "AttestationOld",
        "nine tenths of its time are over",
        {LIMIT: "86400x60", AGE: "77760x60"},
        30,
        (("ticket", {**NODE, "peer": "n3"}),),
    ),
    Case("AttestationOld", "half of it is over", {LIMIT: "86400x60", AGE: "43200x60"}, 30),
    Case(
        "AttestationRefused",
        "at a link, just now",
        {EVIDENCE: "0 0 1x20"},
        5,
        (("ticket", {**NODE, "reason": "measurement"}),),
    ),
    Case(
        "AttestationRefused",
        "for the first time since the start, of the reasons that are there at 0",
        {EVIDENCE: "0x20 1x20", s("attestation_refusals_total", 'reason="vmpl"'): "0x40"},
        24,
        (("ticket", {**NODE, "reason": "measurement"}),),
    ),
    Case("AttestationRefused", "an hour ago", {EVIDENCE: "0 1x90"}, 80),
    Case("Overloaded", "the mempool is full", {REFUSED: "0+60x30"}, 20, (("ticket", ONE),)),
    Case("Overloaded", "calls are refused", {RPC: "0+60x30"}, 20, (("ticket", ONE),)),
    Case("Overloaded", "calls fail with a code that is not listed", {NOT_FOUND: "0+60x30"}, 20),
    Case("Overloaded", "a burst of three minutes", {REFUSED: "0+60x3 180x30"}, 20),
    Case(
        "EnclaveRestarts", "five in an hour", {STARTS: "1x10 2x10 3x10 4x10 5x10 6x10"}, 59, TICKET
    ),
    Case("EnclaveRestarts", "one", {STARTS: "1x30 2x30"}, 59),
]


def rules() -> list[dict[str, Any]]:
    (group,) = yaml.safe_load(RULES.read_text())["groups"]
    return list(group["rules"])


NAMES = list(dict.fromkeys(rule["alert"].removeprefix("Strongroom") for rule in rules()))


def promtool(*words: str) -> subprocess.CompletedProcess[str]:
    found = shutil.which("promtool")
    if found is None:
        pytest.skip("promtool is not here: it comes with Debian's package prometheus")
    return subprocess.run([found, *words], capture_output=True, text=True, check=False)


def judged(folder: Path, cases: list[Case]) -> subprocess.CompletedProcess[str]:
    """What promtool says of these cases; annotations are words, and left out of both sides."""
    bare = [{k: v for k, v in rule.items() if k != "annotations"} for rule in rules()]
    (folder / "rules.yml").write_text(yaml.safe_dump({"groups": [{"name": "x", "rules": bare}]}))
    tests = [
        {
            "name": f"{case.alert}: {case.words}",
            "interval": case.interval,
            "input_series": [{"series": k, "values": v} for k, v in case.series.items()],
            "alert_rule_test": [
                {
                    "eval_time": f"{case.minute}m",
                    "alertname": f"Strongroom{case.alert}",
                    "exp_alerts": [
                        {"exp_labels": {"severity": severity, **labels}}
                        for severity, labels in case.fires
                    ],
                }
            ],
        }
        for case in cases
    ]
    given = {"rule_files": ["rules.yml"], "evaluation_interval": "1m", "tests": tests}
    (folder / "test.yml").write_text(yaml.safe_dump(given))
    return promtool("test", "rules", str(folder / "test.yml"))


@pytest.mark.parametrize("alert", NAMES)
def test_an_alert_fires_when_it_should_and_not_when_it_should_not(
    alert: str, tmp_path: Path
) -> None:
    mine = [case for case in CASES if case.alert == alert]
    assert {bool(case.fires) for case in mine} == {True, False}, "both must be shown"
    done = judged(tmp_path, mine)
    assert done.returncode == 0, done.stdout + done.stderr


def test_a_wrong_expectation_is_no_success(tmp_path: Path) -> None:
    silent = next(case for case in CASES if not case.fires)
    done = judged(tmp_path, [silent._replace(fires=PAGED)])
    assert done.returncode != 0


def test_rules_and_scrape_example_are_what_prometheus_takes(tmp_path: Path) -> None:
    done = promtool("check", "rules", "--lint-fatal", str(RULES))
    assert done.returncode == 0, done.stdout + done.stderr
    for file in (RULES, *SCRAPES):
        shutil.copy(file, tmp_path)
    (tmp_path / "nodes.pem").touch()
    for file in SCRAPES:
        done = promtool("check", "config", str(tmp_path / file.name))
        assert done.returncode == 0, done.stdout + done.stderr


@pytest.mark.parametrize("file", SCRAPES, ids=lambda file: file.name)
def test_a_scrape_example_has_the_jobs_name_and_verifies_nodes_by_their_certificates(
    file: Path,
) -> None:
    (scrape,) = yaml.safe_load(file.read_text())["scrape_configs"]
    assert (scrape["scheme"], scrape["job_name"]) == ("https", "strongroom")
    assert scrape["tls_config"] == {"ca_file": "nodes.pem"}
    assert 'job="strongroom"' in RULES.read_text()


def test_in_kubernetes_nodes_are_scraped_by_names_that_certificates_hold() -> None:
    """The service of a release has its node's name, and no other job finds the pods: with another
    job's name NodeDown would never fire."""
    (scrape,) = yaml.safe_load(SCRAPES[1].read_text())["scrape_configs"]
    (targets,) = (one["targets"] for one in scrape["static_configs"])
    for target in targets:
        name = Address.parse(target).host
        shown = x509.load_pem_x509_certificate(tls.make_certificate(name).certificate)
        held = shown.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
        assert name in held.get_values_for_type(x509.DNSName)
    assert "--set name=n1" in (ROOT / "docs" / "deploy.md").read_text()
    found = [
        file
        for file in (ROOT / "docs" / "deploy").rglob("*.yaml")
        if "prometheus.io/scrape" in file.read_text()
    ]
    assert found == []


def test_the_twelve_of_the_issue_are_there_with_two_severities_and_their_words() -> None:
    assert len(NAMES) == 14, "twelve, of which attestation is two, and the archive's"
    assert {rule["labels"]["severity"] for rule in rules()} == {"page", "ticket"}
    for rule in rules():
        assert rule["annotations"].keys() == {"summary", "description", "runbook"}


def test_each_alert_reads_metrics_that_there_are() -> None:
    for rule in rules():
        read = metrics_in(rule["expr"]) - {"up"}
        bare = {re.sub(r"_(bucket|sum|count)$", "", name) for name in read}
        assert bare <= METRICS.keys(), (rule["alert"], bare - METRICS.keys())


def test_failures_are_lists_of_codes_never_all_but_ok() -> None:
    text = RULES.read_text()
    assert "!=" not in text
    assert "!~" not in text


def test_each_alert_has_its_section_in_the_runbook_and_the_other_way_round() -> None:
    sections = re.findall(r"^## Strongroom(\w+)$", PAGE.read_text(), re.MULTILINE)
    assert sections == NAMES
    for rule in rules():
        assert rule["annotations"]["runbook"] == f"docs/alerts.md#{rule['alert'].lower()}"


def test_this_page_names_no_metric_that_there_is_not() -> None:
    named = set(re.findall(r"strongroom_[a-z_]+", PAGE.read_text()))
    assert named <= METRICS.keys(), json.dumps(sorted(named - METRICS.keys()))
