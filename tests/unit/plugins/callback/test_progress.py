# Copyright: (c) 2026, Slipway contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What a person sees of a run, with Ansible really run."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import TYPE_CHECKING

import pytest
from ansible_collections.slipway.kube.plugins.module_utils._common.renames import find

if TYPE_CHECKING:
    from ansible_collections.slipway.kube.tests.unit.plugins.callback.conftest import Outcome, Project

OLD_MODULE, OLD_OPTION = find("module", "reachable_info"), find("option", "least_age")
MIXED = """
- name: Read what there is
  ansible.builtin.command: "true"
  changed_when: false
- name: load | Write the settings
  ansible.builtin.copy: {content: "port 8080\\n", dest: "{{ playbook_dir }}/settings", mode: "0600"}
- name: Skip this
  ansible.builtin.fail: {msg: never}
  when: false
- name: Try what may fail
  ansible.builtin.command: {argv: [sh, -c, "echo no such release >&2; exit 3"]}
  ignore_errors: true
- name: Tell a person
  ansible.builtin.debug: {msg: "replicas: 2"}
- name: Keep the token
  ansible.builtin.command: echo geheim
  no_log: true
"""


@pytest.fixture(scope="module")
def mixed(make_project: Callable[[], Project]) -> Project:
    project = make_project()
    project.play(MIXED)
    return project


@pytest.fixture(scope="module")
def plain(mixed: Project) -> Outcome:
    return mixed.run("--diff", fork_modules=False, SLIPWAY_PROGRESS_SLOW="600")  # modules as they are for a person


def test_a_plain_run_shows_only_what_matters(plain: Outcome) -> None:
    assert plain.code == 0, plain
    assert plain.lines[0] == "Deploy"
    told = [line for line in plain.lines if re.match(r"  \w", line)]
    assert [line.split(" (")[0].split(": failed")[0] for line in told[:3]] == [
        "  changed  Write the settings",
        "  ignored  Try what may fail",
        "  changed  Keep the token",
    ]
    assert "           replicas: 2" in plain.lines
    assert "Read what there is" not in plain.out
    assert "Skip this" not in plain.out


def test_an_ignored_failure_is_marked_and_says_its_cause_in_one_line(plain: Outcome) -> None:
    [line] = [line for line in plain.lines if "ignored " in line and "Try" in line]
    assert "the run goes on" in line
    assert "ended with code 3. no such release" in line
    assert "non-zero return code" not in plain.out


def test_a_diff_follows_the_line_of_its_task(plain: Outcome) -> None:
    at = plain.lines.index("+port 8080")
    assert "Write the settings" in "".join(plain.lines[at - 5 : at])


def test_no_log_is_respected(plain: Outcome) -> None:
    assert "geheim" not in plain.out + plain.err


def test_a_pipe_gets_no_control_characters(plain: Outcome) -> None:
    assert not re.search(r"[\x00-\x08\x0b-\x1f]", plain.out)


def test_the_end_counts_and_times(plain: Outcome) -> None:
    assert re.search(r"^Done in \d+:\d\d: 3 changed, 1 ignored\.$", plain.out, re.MULTILINE)
    assert re.search(r"^  Deploy (\d+\.\d s|\d+ s)$", plain.out, re.MULTILINE)


def test_check_mode_says_would_change(mixed: Project, plain: Outcome) -> None:
    (mixed.root / "settings").write_text("port 1\n")
    seen = mixed.run("--check", "--diff")
    assert "Deploy (check mode: nothing is changed)" in seen.lines
    assert any(line.startswith("  would change Write the settings") for line in seen.lines)
    assert "-port 1" in seen.lines
    assert ": 1 would change." in seen.out
    assert (mixed.root / "settings").read_text() == "port 1\n"


def test_verbose_shows_every_task(mixed: Project) -> None:
    lines = mixed.run("-v").lines
    assert any(line.startswith("  ok       Read what there is") for line in lines)
    assert any(line.startswith("  skipped  Skip this") for line in lines)
    assert not any('"rc"' in line for line in lines)


def test_more_verbose_shows_results_but_nothing_hidden(mixed: Project) -> None:
    seen = mixed.run("-vvv")
    assert '"rc": 3' in seen.out
    assert any(line.startswith("  start    Read what there is") for line in seen.lines)
    assert "the output has been hidden" in seen.out


FAILING = """
- name: Work under a net
  block:
    - name: Wait until the release is healthy
      ansible.builtin.assert: {that: false, fail_msg: "2 of 3 pods are not ready, postgresql://todo:hunter22@db/todo"}
  rescue:
    - name: Roll back
      ansible.builtin.command: "true"
- name: Install three
  ansible.builtin.command: "{{ item.run }}"
  loop:
    - {name: one, run: "true"}
    - {name: two, run: "false"}
    - {name: three, run: "python3 -c 'raise ValueError(3)'"}
"""


@pytest.fixture(scope="module")
def failing(make_project: Callable[[], Project]) -> Outcome:
    project = make_project()
    project.play(FAILING)
    return project.run()


def test_a_rescued_failure_says_that_a_rescue_runs_and_at_the_end_its_cause(failing: Outcome) -> None:
    assert failing.code == 2
    at = failing.lines.index("  FAILED   Wait until the release is healthy: the run goes on with its rescue tasks")
    assert failing.lines[at + 1].startswith("  changed  Roll back")
    assert [line for line in failing.lines if "2 of 3 pods" in line] == [
        "  rescued  Wait until the release is healthy: 2 of 3 pods are not ready, postgresql://********@db/todo"
    ]


def test_failed_items_are_named_at_once_and_told_at_the_end(failing: Outcome) -> None:
    at = failing.lines.index("  failed   Install three: two")
    assert failing.lines[at + 1] == "  failed   Install three: three"
    assert failing.lines[at + 2].startswith("  FAILED   Install three")
    assert failing.lines[-6:] == [
        "",
        "  what failed  Install three",
        "  why          2 of 3 items failed.",
        "               - two: false ended with code 1.",
        "               - three: python3 -c 'raise ValueError(3)' ended with code 1. ValueError: 3",
        "  more         run again with -vv for the whole result",
    ]


def test_there_is_never_a_traceback_and_nothing_on_the_side(failing: Outcome) -> None:
    assert "Traceback" not in failing.out
    assert failing.err == ""
    assert re.search(r"^Failed after \d:\d\d: 1 changed, 1 failed, 1 rescued\.$", failing.out, re.MULTILINE)


def test_paths_of_tasks_are_for_those_who_ask(project: Project) -> None:
    project.play(FAILING)
    seen = project.run("-v")
    assert [line.strip().split(":")[0] for line in seen.lines if "site.yml:" in line] == [
        "site.yml",
        "site.yml",
        "where        site.yml",
    ]


ROLES = {
    "application": "- name: Make the plan\n  ansible.builtin.set_fact: {plan: 1}\n",
    "minikube_setup": "- name: Start the cluster\n  ansible.builtin.command: flock {{ playbook_dir }}/gate true\n",
    "verify": """
- name: Ask the endpoints
  ansible.builtin.set_fact:
    slipway_address: http://todo.localhost:8080/
    slipway_summary: [2 checks are healthy]
""",
}


@pytest.fixture(scope="module")
def phased(make_project: Callable[[], Project]) -> Project:
    project = make_project()
    for name, tasks in ROLES.items():
        project.role(name, tasks)
    roles = "".join(f"    - slipway.kube.{name}\n" for name in ROLES)
    project.play("[]", more=f"  roles:\n{roles}")
    return project


def test_roles_are_phases(phased: Project) -> None:
    with phased.gate("... Start the cluster: 0:01") as gate:
        lines = phased.run(gate=gate, SLIPWAY_PROGRESS_HEARTBEAT="0.1").lines
    assert re.match(r"plan       ok \(\d+\.\d s\)$", lines[1])
    assert lines[2] == "cluster"
    assert re.match(r"  \.\.\. Start the cluster: 0:0\d$", lines[3])
    assert any(re.match(r"  changed  Start the cluster \(\d+\.\d s\)$", line) for line in lines)
    at = lines.index("verify")
    assert lines[at + 1] == "           2 checks are healthy"
    assert re.match(r"  plan \d+\.\d s   cluster \d+\.\d s   verify \d+\.\d s$", lines[-3])
    assert lines[-2].startswith("Report: reports/")
    assert lines[-1] == "Open http://todo.localhost:8080/"


def test_a_terminal_shows_the_running_task_and_takes_it_back(phased: Project) -> None:
    with phased.gate("0:01  cluster > Start the cluster") as gate:
        seen = phased.run(gate=gate, terminal=True)
    assert seen.code == 0, seen
    assert "\r\x1b[K  0:01  cluster > Start the cluster" in seen.out
    shown = seen.shown
    assert not any(" > " in line for line in shown)
    assert any(line.startswith("  changed  Start the cluster") for line in shown)
    assert shown[-2] == "Open http://todo.localhost:8080/"


def test_a_terminal_is_left_alone_when_asked(project: Project) -> None:
    project.play("- name: Wait\n  ansible.builtin.command: flock {{ playbook_dir }}/gate true\n")
    # A report in place of the line shows that there was a time to draw it.
    with project.gate("... Wait") as gate:
        seen = project.run(gate=gate, terminal=True, NO_COLOR="1", SLIPWAY_PROGRESS_HEARTBEAT="0.1")
    assert "\x1b" not in seen.out
    assert "changed" in seen.out


def test_several_hosts_are_told_apart(project: Project) -> None:
    project.play(
        "- name: Join the cluster\n  ansible.builtin.command: 'true'\n  when: inventory_hostname == 'b'\n"
        "- name: Give up\n  ansible.builtin.fail: {msg: no}\n  when: inventory_hostname == 'a'\n",
        more="  strategy: free\n",
    )
    lines = project.run(hosts="a,b,").lines
    assert any(line.startswith("  changed  b: Join the cluster") for line in lines)
    assert "  FAILED   a: Give up" in lines


DEPRECATED = """
- slipway.kube.reachable_info: {urls: []}
  loop: [1, 2]
- slipway.kube.helm_rollback: {name: shop, namespace: shop, least_age: 3, kubeconfig: /missing, binary: helm}
  ignore_errors: true
- ansible.builtin.command: {cmd: "true"}
  changed_when: false
"""


@pytest.mark.parametrize("shown_by_ansible", [False, True])
def test_what_is_deprecated_here_is_told_whatever_ansible_is_set_to(project: Project, shown_by_ansible: bool) -> None:
    project.play(DEPRECATED)
    seen = project.run(ANSIBLE_DEPRECATION_WARNINGS=str(shown_by_ansible))
    assert seen.code == 0, seen
    told = " ".join(seen.err.split())
    if shown_by_ansible:
        assert "slipway.kube.reachable_info has been deprecated" in told and "Alias 'least_age' is deprecated" in told
    assert [told.count(f"[WARNING]: {rename.message}") for rename in (OLD_MODULE, OLD_OPTION)] == (
        [0, 0] if shown_by_ansible else [1, 1]
    )


BROKEN = """
from ansible.module_utils.basic import AnsibleModule
module = AnsibleModule({"ready": {"type": "bool"}})
module.warn('the clock is wrong')
if module.params["ready"]:
    module.exit_json(changed=True)
module.fail_json(msg="image_pull: No image is there.\\nWhat to do: Build it.\\nThe release is not healthy.", diagnosis={
    "code": "image_pull", "cause": "No image is there.", "evidence": ["event %d" % n for n in range(40)],
    "suggestion": "Build it."})
"""
RECOVERED = """
- name: Recover | Take it back
  ansible.legacy.broken: {ready: true}
- name: Recover | Fail with the cause
  slipway.kube.deploy_failure:
    failure: {task: Watch, code: image_pull, cause: No image is there., suggestion: Build it., evidence: []}
    transaction: {shop/shop: 2}
    rolled_back: [{item: {name: shop}, from_revision: 3, returned_to: 2, revision: 4}]
    restored: {ready: true}
"""


@pytest.fixture(scope="module")
def recovering(make_project: Callable[[], Project]) -> Outcome:
    """A deploy whose verification fails, and whose rescue takes it back and ends with the reason."""
    project = make_project()
    (project.root / "library").mkdir()
    (project.root / "library" / "broken.py").write_text(BROKEN)
    project.role("helm_release", "- name: Upgrade\n  ansible.legacy.broken: {ready: true}\n")
    project.role("verify", RECOVERED)
    project.play("""
- name: Release and verify
  block:
    - ansible.builtin.import_role: {name: slipway.kube.helm_release}
    - name: Watch
      ansible.legacy.broken: {}
  rescue:
    - ansible.builtin.import_role: {name: slipway.kube.verify}
""")
    return project.run()


def test_a_run_that_fails_after_its_rescue_tells_one_cause_once(recovering: Outcome) -> None:
    lines = recovering.lines
    assert recovering.code == 2
    assert [line for line in lines if "No image is there" in line] == ["  why          No image is there. [image_pull]"]
    assert len([line for line in lines if "FAILED" in line]) == 1
    assert re.search(r"^Failed after \d:\d\d: 2 changed, 1 failed\.$", recovering.out, re.MULTILINE)
    assert not any(line.startswith("verify ") for line in lines), "the phase of the last word is not ok"
    at = lines.index("  what failed  Watch")
    assert len(lines[at:]) == 15
    assert lines[at + 1 : at + 3] == [
        "  why          No image is there. [image_pull]",
        "  evidence     event 0",
    ]
    assert lines[-5] == "               event 39"
    assert lines[-4:-1] == [
        "  what to do   Build it.",
        "  in service   Returned to the earlier version of shop (revision 3 has failed, revision 2 is back as revision 4), which",
        "               is in service.",
    ]
    assert lines[-1].startswith("  report       reports/")
    assert "the clock is wrong" in recovering.err
    assert "/roles/" not in recovering.out + recovering.err


def test_hosts_with_one_cause_share_a_block_and_a_broken_rescue_has_its_own(project: Project) -> None:
    project.play("""
- name: Work under a net
  block:
    - name: Wait
      ansible.builtin.fail: {msg: not ready}
  rescue:
    - name: Come to an end
      ansible.builtin.assert: {that: false, fail_msg: nothing to return to, quiet: true}
""")
    seen = project.run(hosts="b,a,")
    at = seen.lines.index("  what failed  Wait on a, b")
    assert seen.lines[at : at + 5] == [
        "  what failed  Wait on a, b",
        "  why          not ready",
        "",
        "  what failed  Come to an end on a, b",
        "  why          nothing to return to",
    ]


def test_a_run_that_is_broken_off_still_tells_what_failed(project: Project) -> None:
    project.play("""
- name: Work under a net
  block:
    - name: Wait
      ansible.builtin.fail: {msg: not ready}
  rescue:
    - name: Press Ctrl-C
      ansible.builtin.shell: kill -INT 0; sleep 60
""")
    seen = project.run()
    assert seen.code != 0
    assert "Failed after" not in seen.out
    assert seen.lines[-2:] == ["  what failed  Wait", "  why          not ready"]
