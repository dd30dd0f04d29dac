# Copyright: (c) 2026, Slipway contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Why a deploy failed, and what is in service after it."""

from __future__ import annotations

from typing import Any

import pytest
from ansible_collections.slipway.kube.plugins.action import deploy_failure_info
from ansible_collections.slipway.kube.plugins.module_utils._health import report
from ansible_collections.slipway.kube.plugins.module_utils._rollout import watcher
from ansible_collections.slipway.kube.plugins.plugin_utils import _deploy_failure

Object = dict[str, Any]

CRASH: Object = {
    "code": "crash_loop",
    "cause": "Container api ends with exit code 3.",
    "suggestion": "Read the log.",
    "namespace": "shop",
    "object": "Pod/api-1",
    "container": "api",
    "log": [f"line {number}" for number in range(9)],
    "events": ["BackOff: it waits"],
}


def explained(result: Object, look: Object | None = None) -> Object:
    return _deploy_failure.explain("Deploy", result, look or {}).as_dict()


# -- the cause ---------------------------------------------------------------------------------------------------------


def test_a_diagnosis_of_its_own_is_told_once() -> None:
    found = explained(
        {"msg": f"{watcher.message(CRASH)}\nHelm: release api, revision 2, is failed.", "diagnosis": CRASH}
    )
    assert found == {
        "task": "Deploy",
        "code": "crash_loop",
        "cause": "Container api ends with exit code 3.",
        "suggestion": "Read the log.",
        "evidence": [
            "Where: Pod/api-1 in namespace shop",
            "Event: BackOff: it waits",
            *[f"Log: line {number}" for number in range(3, 9)],
            "Helm: release api, revision 2, is failed.",
        ],
    }


def test_what_a_look_finds_explains_another_failure() -> None:
    found = explained({"msg": "Helm failed."}, {"diagnosis": CRASH})
    assert found["code"] == "crash_loop" and found["suggestion"] == "Read the log."
    assert found["evidence"] == ["Log: line 5", "Log: line 6", "Log: line 7", "Log: line 8", "Helm failed."]


@pytest.mark.parametrize("code", ["deadline_passed", "workloads_missing", "cluster_unreachable"])
def test_some_findings_explain_nothing(code: str) -> None:
    found = explained({"msg": "The page is blank."}, {"diagnosis": {**CRASH, "code": code}})
    assert (found["code"], found["cause"], found["evidence"]) == ("", "The page is blank.", [])
    # The task that waited for it is another matter.
    assert explained({"msg": "x", "diagnosis": {**CRASH, "code": code}})["code"] == code


@pytest.mark.parametrize("look", [{}, {"failed": True, "msg": "no library"}, {"ready": True, "diagnosis": None}])
def test_a_look_may_find_nothing(look: Object) -> None:
    assert explained({"msg": "The page is blank."}, look)["cause"] == "The page is blank."


def test_of_helms_words_the_error_counts() -> None:
    said = (
        "Failure when executing Helm command. Exited 1.\nstdout: \nstderr: level=INFO msg=x\nI0101 12:00 klog\n\n"
        "Error: no such chart\nsee the manual"
    )
    found = explained({"msg": said})
    assert (found["cause"], found["evidence"]) == ("Error: no such chart", ["see the manual"])


def test_a_loop_failed_by_its_item() -> None:
    items = [{"failed": False, "msg": "fine"}, {"failed": True, "msg": "No such release.", "diagnosis": CRASH}]
    result = {"msg": "One or more items failed", "results": items}
    assert explained(result)["code"] == "crash_loop"
    assert not _deploy_failure.needs_look("slipway.kube.helm_rollback", result)
    assert explained({**result, "results": [{"failed": True}]})["cause"] == "One or more items failed"


def test_a_failure_without_words() -> None:
    assert explained({})["cause"] == "a task failed without a message"
    assert explained({"msg": "level=ERROR msg=x"})["cause"] == "The deploy failed"


def check(name: str, code: str, **fields: Any) -> Object:
    error = {"code": code, "message": "not as expected", "suggestion": f"Mend {name}."}
    return {"name": name, "state": "unhealthy", "last_error": error, "attempts": 1, "elapsed": 1.0, **fields}


def test_one_failed_check_has_a_code_and_a_suggestion() -> None:
    checks = [check("page", "status"), {**check("other", "x"), "state": "healthy"}]
    found = explained({"msg": report.message(checks, 1.0), "checks": checks})
    assert found["cause"] == "1 of 2 checks failed (1.0 s)."
    assert (found["code"], found["suggestion"]) == ("status", "Mend page.")
    assert found["evidence"] == ["- page: not as expected [status; 1 attempt in 1.0 s]"]
    behind = [check("page", "status", diagnosis={**CRASH, "log": [], "events": []})]
    assert explained({"msg": report.message(behind, 1.0), "checks": behind})["code"] == "crash_loop"


def test_several_failed_checks_have_their_own() -> None:
    checks = [check("page", "status"), check("login", "timeout")]
    found = explained({"msg": report.message(checks, 1.0), "checks": checks})
    assert (found["code"], found["suggestion"]) == ("", "")
    assert [line.strip() for line in found["evidence"]] == [
        "- page: not as expected [status; 1 attempt in 1.0 s]",
        "What to do: Mend page.",
        "- login: not as expected [timeout; 1 attempt in 1.0 s]",
        "What to do: Mend login.",
    ]


def test_evidence_and_reason_have_a_limit() -> None:
    failure = _deploy_failure.explain("Deploy", {"msg": "x" * 400 + "\n" + "more\n" * 40}, {})
    assert len(failure.evidence) == _deploy_failure.EVIDENCE
    assert failure.reason == "x" * 300
    told = _deploy_failure.message({**failure.as_dict(), "suggestion": "Stop.", "in_service": "Nothing."})
    assert len(told.splitlines()) == _deploy_failure.EVIDENCE + 3


# -- what is in service ------------------------------------------------------------------------------------------------

BACK = [
    {"item": {"name": "web"}, "from_revision": 5, "returned_to": 2, "revision": 6},
    {"item": {"name": "api"}, "from_revision": 9, "returned_to": 7, "revision": 10},
]
WEB = "web (revision 5 has failed, revision 2 is back as revision 6)"
API = "api (revision 9 has failed, revision 7 is back as revision 10)"


def served(restored: Object | None = None, health: Object | None = None) -> str:
    return _deploy_failure.in_service({"shop/web": 2}, BACK[:1], restored or {"ready": True}, health or {}, False)


def test_what_came_back_is_named() -> None:
    said = _deploy_failure.in_service({"shop/web": 2, "shop/api": 7}, BACK, {"ready": True}, {}, False)
    assert said == f"Returned to the earlier version of {WEB}, {API}, which is in service."


@pytest.mark.parametrize(
    ("restored", "health", "words"),
    [
        ({"ready": True}, {"skipped": True}, "is in service"),
        ({"ready": True}, {"healthy": True, "checks": [{}]}, "is in service and passes its 1 check"),
        ({"ready": True}, {"healthy": True, "checks": [{}, {}]}, "is in service and passes its 2 checks"),
        (
            {"ready": True},
            {"healthy": True, "checks": [{}], "left_out": ["a", "b"]},
            "is in service and passes its 1 check (skipped: a, b)",
        ),
        ({"ready": True}, {"healthy": True, "checks": [], "left_out": ["a"]}, "is in service (skipped: a)"),
        (
            {"ready": True},
            {"healthy": False, "failed": True, "msg": "1 of 1 failed.\n- page: blank.\n- more"},
            "is in service, but not healthy: 1 of 1 failed. - page: blank",
        ),
        ({"ready": True}, {"failed": True, "msg": "No library."}, "is in service, but could not be asked: No library"),
        (
            {"ready": False, "diagnosis": CRASH},
            {},
            "is not ready either: Container api ends with exit code 3",
        ),
        ({"failed": True}, {}, "is not ready either"),
    ],
)
def test_how_the_earlier_version_is(restored: Object, health: Object, words: str) -> None:
    assert served(restored, health) == f"Returned to the earlier version of {WEB}, which {words}."


def test_without_a_change_there_is_nothing_to_take_back() -> None:
    assert _deploy_failure.in_service({}, [], {}, {}, False) == "Nothing had been changed that could be taken back."


@pytest.mark.parametrize(
    ("removed", "words"),
    [
        (True, "What was installed for the first time has been removed."),
        (False, "What a first installation has left is not removed, so that it can be looked at."),
    ],
)
def test_a_first_installation(removed: bool, words: str) -> None:
    assert _deploy_failure.in_service({"shop/web": 0}, [], {}, {}, removed) == words
    both = _deploy_failure.in_service({"shop/web": 2, "shop/db": 0}, BACK[:1], {"ready": True}, {}, removed)
    assert both == f"Returned to the earlier version of {WEB}, which is in service. {words}"


def test_the_message_says_all_in_order() -> None:
    failure = _deploy_failure.explain("Deploy", {"msg": "x"}, {"diagnosis": {**CRASH, "log": ["KeyError"]}}).as_dict()
    assert _deploy_failure.message({**failure, "in_service": served()}).splitlines() == [
        "crash_loop: Container api ends with exit code 3.",
        "Log: KeyError",
        "x",
        "What to do: Read the log.",
        f"Returned to the earlier version of {WEB}, which is in service.",
    ]
    blank = explained({"msg": "The page is blank"})
    assert _deploy_failure.message({**blank, "in_service": "Nothing."}) == "The page is blank.\nNothing."


# -- the look ----------------------------------------------------------------------------------------------------------


class Action(deploy_failure_info.ActionModule):
    """The action without Ansible."""

    _supports_check_mode = True

    def __init__(self, look: Object, **options: Any) -> None:
        self._task = type("Task", (), {"args": options, "async_val": 0, "check_mode": False, "diff": False})()
        self._look, self.calls = look, list[tuple[Any, ...]]()
        self._connection = type("Connection", (), {"_shell": type("Shell", (), {"tmpdir": None})()})()

    def _execute_module(self, *given: Any, **more: Any) -> Object:
        self.calls.append(given)
        return self._look


# As a plan has them.
RELEASES = [{"name": "web", "namespace": "shop", "chart": "/charts/web", "values": {"a": 1}, "wait": False}]


@pytest.mark.parametrize(
    ("action", "hooks"), [("slipway.kube.helm_upgrade", True), ("slipway.kube.health_check", False)]
)
def test_the_workloads_are_looked_at(action: str, hooks: bool) -> None:
    given = {"task": "Deploy", "action": action, "result": {"msg": "x"}, "releases": RELEASES, "context": "elsewhere"}
    looking = Action({"diagnosis": CRASH}, **given)
    found = looking.run(task_vars={})
    [(module, options)] = looking.calls
    assert module == "slipway.kube.rollout_status"
    assert options["hooks"] is hooks and options["deadline"] == 0 and options["fail"] is False
    assert [(one["name"], one["namespace"]) for one in options["releases"]] == [("web", "shop")]
    assert options["context"] == "elsewhere"
    assert found["failure"]["code"] == "crash_loop"
    assert found["reason"] == "crash_loop: Container api ends with exit code 3."
    assert not found["changed"] and "failed" not in found


@pytest.mark.parametrize(
    ("action", "result"),
    [("slipway.kube.rollout_status", {"msg": "x", "diagnosis": CRASH}), ("slipway.kube.deploy_lease", {"msg": "x"})],
)
def test_not_where_that_explains_nothing(action: str, result: Object) -> None:
    idle = Action({}, task="Deploy", action=action, result=result, releases=RELEASES)
    assert idle.run(task_vars={})["failure"]["task"] == "Deploy"
    assert idle.calls == []


@pytest.mark.parametrize(
    ("result", "lost"),
    [
        ({"msg": "x", "lease_lost": True}, True),
        ({"msg": "One or more items failed", "results": [{"failed": True, "msg": "x", "lease_lost": True}]}, True),
        ({"msg": "x"}, False),
    ],
)
def test_run_that_has_lost_its_lease_looks_at_nothing_and_says_who_decides(result: Object, lost: bool) -> None:
    action = Action({}, task="Deploy", action="slipway.kube.helm_upgrade", result=result, releases=RELEASES)
    found = action.run(task_vars={})
    assert found["lease_lost"] is lost and bool(action.calls) is not lost
    assert found["failure"]["cause"] == "x"


def test_secrets_are_hidden_before_the_reason_goes_into_helms_record() -> None:
    result = {"msg": "cannot connect to postgresql://todo:hunter-two@db/todo\npassword=hunter-two"}
    failure = _deploy_failure.explain("Deploy", result, {})
    told = _deploy_failure.message({**failure.as_dict(), "in_service": ""})
    assert "hunter" not in failure.reason and "hunter" not in told
    assert "cannot connect to postgresql://" in failure.reason
