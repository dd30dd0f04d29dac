# Copyright: (c) 2026, Slipway contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""How failures are put together, and that each is told once."""

from __future__ import annotations

from typing import Any

import pytest
from ansible_collections.slipway.kube.plugins.plugin_utils._failure import Failure, failure_of, lay_out
from ansible_collections.slipway.kube.plugins.plugin_utils._failures import (
    Cause,
    FailureLog,
    in_service,
    is_verdict,
    with_items,
)
from ansible_collections.slipway.kube.plugins.plugin_utils._record import TaskRecord

DIAGNOSIS = {
    "code": "config_missing",
    "cause": "Container api misses the key MAIL_PASSWORD.",
    "suggestion": "Add the key, and deploy again.",
    "namespace": "shop",
    "object": "Pod/api-1",
    "events": ["Pulled: first.", "Created: second.", "Failed: no key MAIL_PASSWORD."],
    "log": ["starting up", "no password in the environment"],
}
# As the modules that watch a rollout word it.
MESSAGE = """config_missing: Container api misses the key MAIL_PASSWORD.
What to do: Add the key, and deploy again.
Where: Pod/api-1 in namespace shop
Event: Failed: no key MAIL_PASSWORD.
Log: no password in the environment
Helm: release shop, revision 4, is failed."""


def record(name: str = "Wait", host: str = "a", role: str | None = None, **fields: Any) -> TaskRecord:
    given = {"phase": "verify", "action": "slipway.kube.rollout_status", "status": "failed", **fields}
    return TaskRecord(name=name, role=role, host=host, path="/x.yml:1", started=0.0, ended=1.0, **given)


def test_a_bare_return_code_is_replaced_by_what_the_program_said() -> None:
    failure = failure_of({"msg": "non-zero return code", "rc": 1, "cmd": ["helm", "upgrade"], "stderr": "a\nb"})
    assert failure.what == ["helm upgrade ended with code 1."]
    assert failure.evidence == ["a", "b"]


def test_a_result_without_words_says_so() -> None:
    assert failure_of({}).what == ["The task failed without a message."]
    assert failure_of({"module_stdout": "boom", "rc": 1, "msg": "MODULE FAILURE"}) == Failure(
        what=["The module ended with code 1 instead of a result."], evidence=["boom"]
    )


def test_a_long_command_is_cut() -> None:
    [line] = failure_of({"cmd": "x" * 101, "rc": 1}).what
    assert line == f"{'x' * 97}... ended with code 1."
    assert failure_of({"cmd": "x" * 100, "rc": 1}).what == [f"{'x' * 100} ended with code 1."]


def test_what_a_program_said_is_evidence_unless_the_message_has_it() -> None:
    said = {"rc": 1, "stderr": "one\ntwo\nthree\nfour\nfive"}
    assert failure_of({"msg": "It broke.", **said}).evidence == ["two", "three", "four", "five"]
    assert failure_of({"msg": f"It broke: {said['stderr']}", **said}).evidence == []
    assert failure_of({"msg": "It broke.", **said, "rc": 0}).evidence == []
    assert failure_of({"msg": "It broke.", "rc": 1, "stdout": "on the other side"}).evidence == ["on the other side"]


@pytest.mark.parametrize(
    ("message", "what", "remedy"),
    [
        (
            "Task failed: [Errno 28] No space left on device: '/tmp'",
            ["No space left on device: /tmp"],
            ["Free some space on the disk that holds /tmp, and run this again."],
        ),
        (
            "Could not write the file: [Errno 30] Read-only file system",
            ["Could not write the file: Read-only file system: the temporary and the home directory"],
            ["Make the file system that holds the temporary and the home directory writable, and run this again."],
        ),
        ("[Errno 2] No such file or directory: '/x'", ["[Errno 2] No such file or directory: '/x'"], []),
    ],
)
def test_a_disk_that_refuses_is_no_number(message: str, what: list[str], remedy: list[str]) -> None:
    failure = failure_of({"msg": message})
    assert (failure.what, failure.remedy) == (what, remedy)
    told = failure_of({"msg": message, "suggestion": "Use another cache.", "cause": "The cache is full."})
    assert told.remedy == ["Use another cache."]


def test_a_censored_result_says_so_and_nothing_else() -> None:
    failure = failure_of({"censored": "the output has been hidden", "msg": "secret"})
    assert failure.what == ["The output is hidden, because the task is marked no_log."]


@pytest.mark.parametrize("holder", ["itself", "diagnosis", "list"])
def test_a_cause_is_found_wherever_it_lies(holder: str) -> None:
    told: dict[str, Any] = {"code": "oom", "cause": "Out of memory.", "evidence": {"pod": "x"}, "suggestion": "More."}
    result = {"itself": told, "diagnosis": {"diagnosis": told}, "list": {"diagnosis": [told]}}[holder]
    failure = failure_of({"msg": "Not ready.", **result})
    assert (failure.code, failure.why, failure.evidence, failure.remedy) == (
        "oom",
        ["Out of memory."],
        ["pod: x"],
        ["More."],
    )


def test_a_message_does_not_repeat_its_diagnosis() -> None:
    failure = failure_of({"msg": MESSAGE, "diagnosis": DIAGNOSIS})
    assert failure.what == ["Helm: release shop, revision 4, is failed."]
    assert failure.why == ["Container api misses the key MAIL_PASSWORD."]
    assert failure.evidence == [
        "Pod/api-1 in namespace shop",
        "Event: Created: second.",
        "Event: Failed: no key MAIL_PASSWORD.",
        "Log: starting up",
        "Log: no password in the environment",
    ]
    assert failure.remedy == ["Add the key, and deploy again."]
    assert failure.code == "config_missing"


def test_what_a_run_ends_with_comes_before_a_diagnosis() -> None:
    told = {"code": "oom", "cause": "Out of memory.", "suggestion": "More.", "in_service": "revision 2 of shop"}
    failure = failure_of({"msg": "oom: Out of memory.", "slipway_failure": told, "diagnosis": DIAGNOSIS})
    assert (failure.code, failure.what, failure.why) == ("oom", [], ["Out of memory."])
    assert failure.in_service == ["revision 2 of shop"]
    assert failure.as_dict()["in_service"] == "revision 2 of shop"


def test_no_part_of_a_failure_shows_a_credential() -> None:
    text = "db://ada:hunter2@db"
    for key in ("cause", "evidence", "suggestion", "in_service"):
        assert "hunter2" not in str(failure_of({"msg": text, "slipway_failure": {"code": "x", key: text}}))


def test_a_failure_is_laid_out_in_the_order_in_which_it_is_read() -> None:
    failure = Failure(
        what=["The release is not healthy."],
        why=["No image."],
        evidence=["event"],
        remedy=["Build it."],
        in_service=["revision 2"],
        code="image_pull",
    )
    assert lay_out("Wait", failure, [("report", "r.html")], 80) == [
        "  what failed  Wait",
        "               The release is not healthy.",
        "  why          No image. [image_pull]",
        "  evidence     event",
        "  what to do   Build it.",
        "  in service   revision 2",
        "  report       r.html",
    ]


def test_a_code_stands_with_the_reason_only() -> None:
    assert lay_out("Wait", Failure(why=["No."]), [], 80) == ["  what failed  Wait", "  why          No."]
    assert lay_out("Wait", Failure(code="x"), [], 80) == ["  what failed  Wait"]


def test_of_much_evidence_the_place_and_the_end_are_shown() -> None:
    evidence = ["Where: Pod/api-1", *(f"Log: frame {number}" for number in range(20)), "Log: KeyError: 'PORT'"]
    lines = lay_out("Wait", Failure(why=["It crashes."], evidence=evidence, remedy=["Read."]), [("report", "r")], 80)
    assert len(lines) == 15
    assert lines[2:4] == ["  evidence     Where: Pod/api-1", "               ... (12 more lines)"]
    assert lines[11:13] == ["               Log: frame 19", "               Log: KeyError: 'PORT'"]
    # With hardly any room what is left out is still counted.
    assert lay_out("Wait", Failure(why=["x"], evidence=evidence), [], 80, limit=3)[2:] == [
        "  evidence     ... (22 more lines)"
    ]
    assert lay_out("Wait", Failure(why=["x"], evidence=evidence), [], 80, limit=4)[2:] == [
        "  evidence     Where: Pod/api-1",
        "               ... (21 more lines)",
    ]


def test_a_single_long_line_is_wrapped_as_far_as_there_is_room() -> None:
    first, second, last = lay_out("Wait", Failure(what=["x"], remedy=["read " * 80]), [], 80)[-3:]
    assert first.startswith("  what to do   read read") and second.startswith(" " * 15 + "read read")
    assert last == " " * 15 + "... (5 more lines)"


def test_each_part_has_a_room_of_its_own() -> None:
    many = [f"{number}" for number in range(9)]
    lines = lay_out("Wait", Failure(many, many, [], many, many), [], 80)
    starts = [(index, line[2:14].strip()) for index, line in enumerate(lines) if line[2:14].strip()]
    assert starts == [(0, "what failed"), (3, "why"), (10, "what to do"), (13, "in service")]
    assert len(lines) == 15
    assert [line.strip() for line in lines if "more lines" in line] == [
        "... (8 more lines)",
        "... (3 more lines)",
        "... (7 more lines)",
        "... (8 more lines)",
    ]


def test_a_message_of_the_result_itself_is_no_cause() -> None:
    assert failure_of({"msg": "Not ready.", "message": "of another kind"}).why == []
    assert failure_of({"msg": "Not ready.", "diagnosis": {"message": "No image."}}).why == ["No image."]


def test_a_message_is_the_reason_when_there_is_no_cause() -> None:
    assert lay_out("Wait", Failure(what=["No."], code="x"), [], 80) == ["  what failed  Wait", "  why          No. [x]"]


def test_a_failure_never_takes_more_lines_than_it_may() -> None:
    many = [f"line {number} " + "word " * 60 for number in range(50)]
    failure = failure_of(
        {"msg": "x", "cause": "\n".join(many), "evidence": many, "suggestion": "Do this.", "in_service": many}
    )
    lines = lay_out("Wait", failure, [("where", "x.yml:1"), ("report", "r.html")], 80)
    assert len(lines) == 15
    assert max(map(len, lines)) <= 80
    assert "  what to do   Do this." in lines
    for label in ("why", "evidence", "in service"):
        assert any(line.startswith(f"  {label}") for line in lines)
    assert lines[-1] == "  report       r.html"


@pytest.mark.parametrize("count", [3, 9, 30])
def test_each_of_several_mistakes_has_its_line(count: int) -> None:
    problems = [f"mistake {number}: " + "word " * 20 for number in range(count)]
    failure = failure_of({"msg": "\n".join([f"There are {count} mistakes.", *(f"- {one}" for one in problems)])})
    lines = lay_out("Check", failure, [("report", "r.html")], 80)
    assert len(lines) <= 15
    shown = [line for line in lines if "- mistake" in line]
    assert len(shown) == min(count, 11)
    # With room they are whole, without they are cut, and what is left out is counted.
    assert any("..." in line for line in lines) == (count > 3)
    assert ("               ... (19 more lines)" in lines) == (count == 30)


def test_items_of_a_loop_have_a_line_each() -> None:
    one = Failure(what=["false ended with code 1."])
    two = Failure(why=["No image."], remedy=["Build it."], code="x")
    assert with_items(Failure(), [("api", two), ("web", one)], 3) == Failure(
        why=["2 of 3 items failed.", "- api: No image.", "- web: false ended with code 1."], remedy=["Build it."]
    )
    assert with_items(Failure(), [("web", one)], 3).what == ["web: false ended with code 1."]
    assert with_items(Failure(), [("api", two)], 3).why == ["api: No image."]
    assert with_items(one, [], 0) == one


def test_a_cause_on_several_hosts_is_one() -> None:
    log = FailureLog()
    for host, why in (("a", "x"), ("b", "y"), ("c", "x")):
        log.failed(record(host=host), Failure(why=[why]), in_rescue=False, verdict=False)
    assert [(one.failure.why, one.hosts) for one in log.final] == [(["x"], ["a", "c"]), (["y"], ["b"])]


def test_the_end_of_a_rescue_tells_the_failure_that_began_it() -> None:
    log = FailureLog()
    log.rescued(record("Wait"), failure_of({"msg": MESSAGE, "diagnosis": DIAGNOSIS}))
    words = "config_missing: Container api misses the key MAIL_PASSWORD. Returned to revision 2, which is in service."
    verdict = record("Fail with the cause", action="ansible.builtin.fail", role="slipway.kube.verify")
    assert is_verdict(verdict, {"msg": words})
    log.failed(verdict, failure_of({"msg": words}), in_rescue=True, verdict=True)
    [cause] = log.final
    assert cause.record.name == "Wait"
    assert cause.failure.why == ["Container api misses the key MAIL_PASSWORD."]
    assert cause.failure.in_service == ["Returned to revision 2, which is in service."]
    assert not log.recovered


def test_a_structured_end_replaces_what_was_known_before_and_keeps_the_rest() -> None:
    log = FailureLog()
    log.rescued(record("Upgrade"), Failure(what=["timed out"], evidence=["helm said so"], remedy=["wait"], code="helm"))
    told = {"slipway_failure": {"code": "oom", "cause": "Out of memory.", "in_service": "revision 2"}}
    assert is_verdict(record(), told)
    log.failed(record("End"), failure_of({"msg": "x", **told}), in_rescue=True, verdict=True)
    [cause] = log.final
    assert cause.record.name == "Upgrade"
    assert cause.failure == Failure(
        what=["x"],
        why=["Out of memory."],
        evidence=["helm said so"],
        remedy=["wait"],
        in_service=["revision 2"],
        code="oom",
    )


def test_a_rescue_that_breaks_is_a_cause_of_its_own() -> None:
    log = FailureLog()
    log.rescued(record("Earlier"), Failure(why=["e"]))
    log.rescued(record("Wait"), Failure(why=["x"]))
    broken = record("Take back")
    assert not is_verdict(broken, {"msg": "y"})
    log.failed(broken, Failure(why=["y"]), in_rescue=True, verdict=False)
    assert [one.record.name for one in log.final] == ["Wait", "Take back"]
    assert [one.record.name for one in log.recovered] == ["Earlier"]


def test_a_failure_beside_a_rescue_of_another_host_leaves_it_alone() -> None:
    log = FailureLog()
    log.rescued(record("Wait", host="a"), Failure(why=["x"]))
    log.failed(record("Fail", host="b"), Failure(why=["y"]), in_rescue=True, verdict=True)
    log.failed(record("Later", host="a"), Failure(why=["z"]), in_rescue=False, verdict=False)
    assert [one.record.name for one in log.final] == ["Fail", "Later"]
    assert [one.record.name for one in log.recovered] == ["Wait"]


@pytest.mark.parametrize(
    ("role", "done", "expected"),
    [
        ("slipway.kube.image_build", [], ["as before; this run has changed no release"]),
        ("slipway.kube.verify", [record(phase="release", status="ok")], ["as before; this run has changed no release"]),
        ("slipway.kube.verify", [record(phase="release", status="changed")], []),
        (
            "slipway.kube.verify",
            [record(phase="release", status="changed", host="b")],
            ["as before; this run has changed no release"],
        ),
        ("acme.web.cache", [], []),
        (None, [], []),
    ],
)
def test_what_is_in_service_where_no_release_was_touched(
    role: str | None, done: list[TaskRecord], expected: list[str]
) -> None:
    assert in_service(Cause(record(role=role), Failure(), ["a"]), done) == expected


def test_what_is_in_service_is_what_the_failure_says() -> None:
    failure = Failure(in_service=["revision 2"])
    assert in_service(Cause(record(role="slipway.kube.verify"), failure, ["a"]), []) == ["revision 2"]


def test_a_list_of_mistakes_is_never_cut() -> None:
    problems = [f"application_checks[{index}].url: {'x ' * 60}(all.yml:{index})" for index in range(30)]
    failure = failure_of({"msg": "30 mistakes.\n" + "\n".join(problems), "problems": problems})
    text = "\n".join(lay_out("Plan", failure, [], 80))
    assert all(f"(all.yml:{index})" in text for index in range(30)) and "more lines" not in text
