# Copyright: (c) 2026, Slipway contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The module as Ansible runs it: options in, one JSON result out, nothing secret in it, in the log or in a report."""

from __future__ import annotations

import importlib.util
import json
import re
import xml.etree.ElementTree as ET
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import yaml
from ansible.module_utils import basic
from ansible.module_utils.testing import patch_module_args
from ansible_collections.slipway.kube.plugins.doc_fragments import kubernetes
from ansible_collections.slipway.kube.plugins.module_utils._health import module as health_main
from ansible_collections.slipway.kube.plugins.module_utils._health import report as report
from ansible_collections.slipway.kube.plugins.module_utils._kube.module_base import ARGUMENTS
from ansible_collections.slipway.kube.plugins.modules import health_check

Call = Callable[..., tuple[int, dict[str, Any]]]


@pytest.fixture
def log(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    lines: list[str] = []
    monkeypatch.setattr(basic.AnsibleModule, "_log_to_syslog", lambda _self, text: lines.append(str(text)))
    monkeypatch.setattr(basic, "has_journal", False)
    return lines


@pytest.fixture
def call(capsys: pytest.CaptureFixture[str], log: list[str]) -> Call:
    def go(**params: Any) -> tuple[int, dict[str, Any]]:
        with patch_module_args(params), pytest.raises(SystemExit) as caught:
            health_check.main()
        code = caught.value.code
        return int(code or 0), json.loads(capsys.readouterr().out)

    return go


def test_healthy(call: Call, server: Any) -> None:
    code, result = call(checks=[{"name": "a", "url": server.url("/json"), "expect": {"status": [200]}}])
    assert code == 0, result
    assert result["healthy"] is True and result["changed"] is False
    assert result["summary"] == {"total": 1, "healthy": 1, "unhealthy": 0, "skipped": 0}
    assert result["failed_checks"] == []
    assert result["msg"].startswith("Healthy (")


def test_failure_hides_secrets_everywhere(call: Call, server: Any, log: list[str], tmp_path: Path) -> None:
    code, result = call(
        secrets={"password": "hunter2-hunter2"},
        checks=[
            {
                "name": "a",
                "url": server.url("/echo?api_key=inline-query-secret"),
                "method": "POST",
                "headers": {"Authorization": "Bearer inline-token", "X-Own": "${password}"},
                "body": {"client_secret": "inline-body-secret", "title": "plain-title"},
                "expect": {"body_regex": ["absent"], "json": [{"path": "body", "equals": "x"}]},
            }
        ],
        report_json=str(tmp_path / "r.json"),
        report_junit=str(tmp_path / "r.xml"),
    )
    assert code == 1 and result["healthy"] is False and result["failed_checks"] == ["a"]
    assert server.seen[0].headers["x-own"] == "hunter2-hunter2"
    shown = [json.dumps(result), (tmp_path / "r.json").read_text(), (tmp_path / "r.xml").read_text(), *log]
    assert log
    for secret in ("hunter2", "inline-token", "inline-body-secret", "inline-query-secret"):
        assert not any(secret in text for text in shown)
    assert "plain-title" in "".join(log)


def test_reports(call: Call, server: Any, refused_port: int, tmp_path: Path) -> None:
    code, result = call(
        checks=[
            {"name": "good", "url": server.url("/")},
            {"name": "bad", "type": "tcp", "url": f"tcp://127.0.0.1:{refused_port}", "retry_for": 0},
            {"name": "after", "url": server.url("/"), "depends_on": ["bad"]},
        ],
        report_json=str(tmp_path / "r.json"),
        report_junit=str(tmp_path / "r.xml"),
    )
    assert code == 1
    written = json.loads((tmp_path / "r.json").read_text())
    assert written["checks"] == result["checks"] and written["msg"] == result["msg"]
    suite = ET.parse(tmp_path / "r.xml").getroot()
    assert {key: suite.get(key) for key in ("tests", "failures", "skipped")} == {
        "tests": "3",
        "failures": "1",
        "skipped": "1",
    }
    failure = suite.find("testcase[@name='bad']/failure")
    assert failure is not None and failure.get("type") == "connect_refused"
    assert suite.find("testcase[@name='after']/skipped") is not None
    assert sorted(path.name for path in tmp_path.iterdir()) == ["r.json", "r.xml"]


def test_check_mode_asks_nothing(call: Call, server: Any, tmp_path: Path) -> None:
    code, result = call(
        _ansible_check_mode=True,
        checks=[{"name": "a", "url": server.url("/")}],
        report_json=str(tmp_path / "r.json"),
    )
    assert code == 0 and result["changed"] is False and result["healthy"] is None
    assert result["checks"][0]["asks"] == f"GET {server.url('/')}, expecting status 200-299"
    assert server.seen == [] and list(tmp_path.iterdir()) == []


def test_what_the_application_is_stands_for_placeholders_everywhere(call: Call, server: Any) -> None:
    checks = [
        {
            "name": "api",
            "url": "${application.url}/json",
            "expect": {"body_regex": ["${components.auth.tag}"]},
            "retry_for": 0,
        },
        {"name": "web", "url": "${application.url}/${components.web.tag}"},
        {"name": "after", "url": "${application.url}/json", "depends_on": ["web"]},
    ]
    variables = {"application.url": server.url(""), "components.auth.tag": "sha-0", "components.web.tag": None}
    code, result = call(checks=checks, variables=variables)
    assert code == 1 and result["failed_checks"] == ["api"] and result["left_out"] == ["web"]
    assert "sha-0" in result["msg"], "the tag of a component that is called auth is no secret"
    assert "Skipped, because their expected value is unknown: web." in result["msg"].splitlines()[0]
    assert [check["state"] for check in result["checks"]] == ["unhealthy", "healthy"]
    code, planned = call(checks=checks, variables=variables, _ansible_check_mode=True)
    assert code == 0 and planned["left_out"] == ["web"] and "Skipped" in planned["msg"]
    assert planned["checks"][0]["asks"].startswith(f"GET {server.url('/json')}")


def test_secret_among_what_the_application_is_stays_hidden(call: Call, server: Any, log: list[str]) -> None:
    variables = {"application.url": server.url(""), "application.password": "hunter2hunter2"}
    check = {
        "name": "a",
        "url": "${application.url}/json",
        "expect": {"json": [{"path": "a", "equals": "${application.password}"}]},
        "retry_for": 0,
    }
    code, result = call(checks=[check], variables=variables)
    assert code == 1 and "hunter2" not in json.dumps(result) and "hunter2" not in "".join(log)


def test_nothing_is_asked_where_all_is_left_out(call: Call, server: Any) -> None:
    check = {"name": "a", "url": server.url("/${components.web.tag}")}
    code, result = call(checks=[check], variables={"components.web.tag": None})
    assert code == 0 and result["left_out"] == ["a"] and "Nothing was asked" in result["msg"]
    assert server.seen == []


@pytest.mark.parametrize(
    ("params", "text"),
    [
        ({"checks": [{"name": "a", "url": "http://a/", "urls": 1}]}, "check 'a': urls: there is no such option"),
        ({"checks": []}, "checks: the list is empty"),
        (
            {"checks": [{"name": "good", "url": "http://a/"}, {"name": "b", "url": "http://a/", "timeout": "soon"}]},
            "check 'b': argument 'timeout' is of type",
        ),
        ({"checks": [{"name": "b", "tls": {"min_version": "SSLv3"}}]}, "check 'b': value of min_version must be one"),
        ({"checks": [{"url": "http://a/"}]}, "check '0': missing required arguments: name"),
        ({"checks": [{"name": "a", "url": "http://a/"}, 7]}, "checks[1]: it must be a dictionary of options, not 7."),
        (
            {"checks": [{"name": "b", "url": "http://a/", "expect": {"identity": False}}]},
            "check 'b': expect.identity: it must be a dictionary of options, not false.",
        ),
        (
            {"checks": [{"name": "b", "follow_redirects": float("inf")}]},
            "check 'b': follow_redirects: inf is not an integer",
        ),
        ({"checks": [{"name": "b", "expect": {"rc": [1, "Infinity"]}}]}, "check 'b': expect.rc: "),
        ({"checks": [{"name": "b", "expect": True}]}, "check 'b': expect: it must be a dictionary of options"),
        ({"checks": [{"name": "a", "url": "http://a/"}], "max_parallel": 0}, "max_parallel: "),
        ({"checks": [{"name": "a", "url": "http://a/"}], "deadline": 0}, "deadline: "),
        ({"checks": [{"name": "a", "url": "http://a/"}], "report_json": "/no/such/x"}, "report_json: the directory"),
        ({"checks": [{"name": "a", "url": "http://a/"}], "variables": {"a b": 1}}, "variables: 'a b'"),
        (
            {"checks": [{"name": "a", "url": "http://a/"}], "variables": {"x": 1}, "secrets": {"x": 2}},
            "secrets: 'x' is also in variables",
        ),
        (
            {"checks": [{"name": "a", "url": "https://a/", "tls": {"ca_path": "/no/ca"}}]},
            "check 'a': tls.ca_path: /no/ca",
        ),
        (
            {"checks": [{"name": "a", "url": "http://a/", "extract": {"x": ""}}]},
            "check 'a': extract.x: '' is no JMESPath",
        ),
    ],
)
def test_mistakes_end_in_one_sentence(call: Call, params: dict[str, Any], text: str) -> None:
    code, result = call(**params)
    assert code == 1
    assert result["msg"].startswith(text), result["msg"]
    assert "Traceback" not in json.dumps(result)


@pytest.mark.parametrize(
    ("url", "kind", "library"),
    [
        ("http://a.example/", "http", "h11"),
        ("https://a.example/", "http", "cryptography"),
        ("tls://a.example", "tls", "cryptography"),
    ],
)
def test_a_library_that_is_not_there_is_named(
    call: Call, monkeypatch: pytest.MonkeyPatch, url: str, kind: str, library: str
) -> None:
    real = importlib.util.find_spec
    monkeypatch.setattr(importlib.util, "find_spec", lambda name, *rest: None if name == library else real(name, *rest))
    code, result = call(checks=[{"name": "a", "url": url, "type": kind}])
    assert code == 1
    assert result["msg"].startswith(f"Failed to import the required Python library ({library})")


def test_a_port_needs_neither_http_nor_tls(call: Call, monkeypatch: pytest.MonkeyPatch, server: Any) -> None:
    real = importlib.util.find_spec
    missing = ("h11", "cryptography")
    monkeypatch.setattr(importlib.util, "find_spec", lambda name, *rest: None if name in missing else real(name, *rest))
    code, result = call(checks=[{"name": "a", "url": f"tcp://127.0.0.1:{server.port}", "type": "tcp"}])
    assert code == 0, result


def test_missing_libraries_are_named(call: Call, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(health_main, "HAS_JMESPATH", False)
    _code, result = call(checks=[{"name": "a", "url": "http://a/", "extract": {"x": "y"}}])
    assert "jmespath" in result["msg"]
    real = importlib.util.find_spec
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None if name == "kubernetes" else real(name))
    _code, result = call(checks=[{"name": "a", "type": "command", "command": ["x"], "kubernetes": {"pod": "p"}}])
    assert "kubernetes" in result["msg"] and "'a'" in result["msg"]


@pytest.fixture
def kubeconfig(server: Any, tmp_path: Path) -> str:
    """A kubeconfig that takes the server for a cluster's."""
    pytest.importorskip("kubernetes")
    config = {
        "apiVersion": "v1",
        "kind": "Config",
        "current-context": "c",
        "contexts": [{"name": "c", "context": {"cluster": "k", "user": "u"}}],
        "clusters": [{"name": "k", "cluster": {"server": f"http://127.0.0.1:{server.port}"}}],
        "users": [{"name": "u", "user": {"token": "kubeconfig-token-1"}}],
    }
    (tmp_path / "config").write_text(yaml.safe_dump(config))
    return str(tmp_path / "config")


def test_api_proxy_uses_the_kubeconfig_and_hides_its_token(
    call: Call, server: Any, kubeconfig: str, tmp_path: Path
) -> None:
    path = "/api/v1/namespaces/todo/services/http:web:8000/proxy/health"
    server.routes[path] = server.routes["/echo"]
    check = {
        "name": "a",
        "via": "api_proxy",
        "url": "http://web:8000/health?x=1",
        "kubernetes": {"namespace": "todo", "service": "web", "kubeconfig": kubeconfig},
        "expect": {"json": [{"path": "headers", "equals": 1}]},
        "retry_for": 0,
    }
    _code, result = call(checks=[check])
    assert server.seen[0].path == path + "?x=1"
    assert server.seen[0].headers["authorization"] == "Bearer kubeconfig-token-1"
    assert "kubeconfig-token-1" not in json.dumps(result)
    check["kubernetes"] = {"service": "web", "kubeconfig": str(tmp_path / "none")}
    _code, result = call(checks=[check])
    assert result["checks"][0]["last_error"]["code"] == "kubeconfig_invalid"


def test_a_missing_service_is_pod_not_found(call: Call, kubeconfig: str) -> None:
    target = {"service": "web", "kubeconfig": kubeconfig}
    _code, result = call(
        checks=[{"name": "a", "via": "port_forward", "url": "http://web:1/", "retry_for": 0, "kubernetes": target}]
    )
    assert result["checks"][0]["last_error"]["code"] == "pod_not_found", result


# ---------------------------------------------------------------- message and documentation
def _result(name: str, state: str = "unhealthy") -> dict[str, Any]:
    error = {"code": "status_unexpected", "message": "m\n" * 300, "suggestion": "Do this."}
    return {
        "name": name,
        "state": state,
        "attempts": 1,
        "elapsed": 1.0,
        "last_error": None if state == "healthy" else error,
        "assertions": [],
    }


@pytest.mark.parametrize("count", [1, 2, 6, 7, 500])
@pytest.mark.parametrize("skipped", [0, 1, 30])
def test_the_message_has_at_most_fifteen_lines(count: int, skipped: int) -> None:
    checks = [_result(f"check {at}") for at in range(count)] + [_result(f"s{at}", "skipped") for at in range(skipped)]
    text = report.message(checks, 3.0)
    assert len(text.splitlines()) <= report.MAX_LINES
    assert "check 0" in text and "What to do: Do this." in text
    assert (f"and {count - 6} more" in text) is (count > 6)


def _diagnosis(cause: str = "Container api keeps crashing.", lines: int = 8) -> dict[str, Any]:
    return {
        "code": "crash_loop",
        "cause": cause,
        "suggestion": "Read the log.",
        "namespace": "todo",
        "object": "Pod/api-1",
        "container": "api",
        "log": [f"line {at}" for at in range(lines)],
        "events": ["BackOff: again"],
    }


@pytest.mark.parametrize("count", [1, 2, 4, 5, 50])
@pytest.mark.parametrize("skipped", [0, 1])
def test_the_message_tells_each_diagnosis_once(count: int, skipped: int) -> None:
    checks = [{**_result(f"check {at}"), "diagnosis": _diagnosis()} for at in range(count)]
    checks += [{**_result("other"), "diagnosis": _diagnosis("Another cause.")}]
    checks += [_result(f"s{at}", "skipped") for at in range(skipped)]
    text = report.message(checks, 3.0)
    assert len(text.splitlines()) <= report.MAX_LINES
    assert text.count("  Workload: Container api keeps crashing. [crash_loop]") == 1
    assert text.count("  What to do: Read the log.") == (2 if count < 10 else 1)


def test_the_message_of_one_failure_shows_the_evidence() -> None:
    checks = [{**_result("one"), "diagnosis": _diagnosis()}, _result("s", "skipped")]
    lines = report.message(checks, 3.0).splitlines()
    assert "  Event: BackOff: again" in lines and "  Log: line 7" in lines
    assert len(lines) <= report.MAX_LINES
    failure = ET.fromstring(report.as_junit({"checks": checks}, 1.0).encode()).find("testcase/failure")
    assert failure is not None and "crash_loop: Container api" in str(failure.text)
    assert "Log: line 7" in str(failure.text)


def test_only_skipped_checks_are_told_too() -> None:
    assert "s1" in report.message([_result("s1", "skipped")], 1.0)


def test_junit_survives_control_characters() -> None:
    check = _result("bad\x00\x1bname")
    ET.fromstring(report.as_junit({"checks": [check]}, 1.0).encode())


def _compare(documented: dict[str, Any], spec: dict[str, Any], place: str = "") -> None:
    assert set(documented) == set(spec), place
    for name, option in spec.items():
        described = documented[name]
        for key in ("type", "elements", "default", "choices"):
            assert described.get(key) == option.get(key), f"{place}{name}.{key}"
        assert described.get("required", False) == option.get("required", False), f"{place}{name}"
        assert described["description"]
        _compare(described.get("suboptions", {}), option.get("options", {}), f"{place}{name}.")


def test_documentation_and_options_agree() -> None:
    own = yaml.safe_load(health_check.DOCUMENTATION)
    assert own["extends_documentation_fragment"] == ["slipway.kube.attributes", "slipway.kube.kubernetes"]
    shared = yaml.safe_load(kubernetes.ModuleDocFragment.DOCUMENTATION)["options"]
    assert {name: {"type": option["type"]} for name, option in shared.items()} == ARGUMENTS
    _compare({**shared, **own["options"]}, health_check.argument_spec())


def test_everything_returned_is_described_with_type_and_sample() -> None:
    def walk(returned: dict[str, Any], place: str) -> None:
        for name, item in returned.items():
            assert {"description", "returned", "type"} <= set(item), f"{place}{name}"
            assert "sample" in item or "contains" in item, f"{place}{name}"
            walk(item.get("contains", {}), f"{place}{name}.")

    walk(yaml.safe_load(health_check.RETURN), "")


def test_examples_are_valid_options(call: Call) -> None:
    pytest.importorskip("kubernetes")
    for task in yaml.safe_load(health_check.EXAMPLES):
        params = task["slipway.kube.health_check"]
        params.pop("report_junit", None)
        code, result = call(_ansible_check_mode=True, **params)
        assert code == 0, (task["name"], result)


def _snippets() -> list[Any]:
    guide = Path(__file__).resolve().parents[4] / "docs" / "health_check.md"
    return [yaml.safe_load(block) for block in re.findall(r"```yaml\n(.*?)```", guide.read_text("utf-8"), re.DOTALL)]


@pytest.mark.parametrize("snippet", _snippets())
def test_the_guide_s_snippets_are_valid_options(call: Call, snippet: Any) -> None:
    item = snippet[0] if isinstance(snippet, list) else snippet
    params = item.get("slipway.kube.health_check") or (item if "checks" in item else None)
    if params is None:  # a check, or a part of one
        params = {"checks": [{"name": "a", "url": "http://a/", **item}]}
    code, result = call(_ansible_check_mode=True, **params)
    assert code == 0, result["msg"]


def test_what_is_returned_is_documented(call: Call, server: Any, refused_port: int) -> None:
    documented = yaml.safe_load(health_check.RETURN)
    _code, result = call(
        checks=[
            {"name": "a", "url": server.url("/"), "latency": {"samples": 1}},
            {"name": "b", "type": "tcp", "url": f"tcp://127.0.0.1:{refused_port}", "retry_for": 0},
        ]
    )
    assert set(result) - {"changed", "invocation", "failed", "exception"} <= set(documented)
    for check in result["checks"]:
        assert set(check) <= set(documented["checks"]["contains"])
