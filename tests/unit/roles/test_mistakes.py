# Copyright: (c) 2026, Slipway contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Mistakes in an inventory's variables end a run at the plan, all at once, each with the person's own file and line."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
import yaml

if TYPE_CHECKING:
    from ansible_collections.slipway.kube.tests.unit.ansible_runs import Ansible

from ansible_collections.slipway.kube.plugins.module_utils._common.renames import RENAMES
from ansible_collections.slipway.kube.plugins.plugin_utils import _role_variables

ROOT = Path(__file__).resolve().parents[3]
GOOD = """
application_name: shop
application_project_dir: "{{ inventory_dir }}/project"
application_components:
  web:
    source: web
application_releases:
  - name: shop
    chart: chart
    images: {web: image}
"""


@pytest.fixture
def inventory(tmp_path: Path) -> Path:
    """An inventory whose application can be planned."""
    folder = tmp_path / "inventory"
    (folder / "group_vars").mkdir(parents=True)
    host = {"ansible_connection": "local", "ansible_python_interpreter": sys.executable}
    (folder / "hosts.yml").write_text(json.dumps({"clusters": {"hosts": {"localhost": host}}}))
    (folder / "group_vars/all.yml").write_text(GOOD)
    (tmp_path / "inventory/project/web").mkdir(parents=True)
    (tmp_path / "inventory/project/web/Dockerfile").write_text("FROM scratch\n")
    (tmp_path / "inventory/project/chart").mkdir()
    (tmp_path / "inventory/project/chart/Chart.yaml").write_text("name: shop\nversion: 1.0.0\n")
    return folder


class Plan:
    """Runs the playbooks with an inventory and reads the mistakes from the report."""

    def __init__(self, ansible: Ansible, environment: dict[str, str], inventory: Path) -> None:
        self._ansible, self.inventory = ansible, inventory
        reports = str(inventory.parent / "reports")
        self._environment = {
            **environment,
            "ANSIBLE_CONFIG": str(ROOT / "ansible.cfg"),
            "SLIPWAY_REPORT_DIR": reports,
        }

    def mistakes(self, *arguments: str, name: str = "status") -> list[str]:
        """Return the mistakes that ended a run, with places relative to the inventory."""
        result = self._ansible.playbook(
            *("-i", str(self.inventory), str(ROOT / f"playbooks/{name}.yml"), *arguments),
            directory=self.inventory,
            environment=self._environment,
        )
        assert result.code == 2, result.out + result.err
        assert "Traceback" not in result.out + result.err and "nothing changed" not in result.out
        report = json.loads((self.inventory.parent / "reports/latest.json").read_text())
        (failed,) = [task for task in report["tasks"] if task["status"] == "failed"]
        assert "Nothing was changed." in failed["failure"]["what"]
        problems: list[str] = failed["result"]["problems"]
        return problems


@pytest.fixture
def plan(ansible: Ansible, ansible_environment: dict[str, str], inventory: Path) -> Plan:
    return Plan(ansible, ansible_environment, inventory)


def write(plan: Plan, text: str) -> int:
    """Append to the variables of the inventory; the number of its first line."""
    path = plan.inventory / "group_vars/all.yml"
    path.write_text(path.read_text() + text)
    return GOOD.count("\n") + 1


@pytest.mark.parametrize("name", ["site", "status", "rollback", "teardown"])
def test_an_empty_file_of_variables(plan: Plan, name: str) -> None:
    (plan.inventory / "group_vars/all.yml").write_text("")
    assert plan.mistakes(name=name) == ["application_name: it is missing; write it."]


def test_what_cannot_be_templated_stands_beside_the_other_mistakes(plan: Plan) -> None:
    """The mistakes of one variable hide none of another, and what only follows from them is left out."""
    line = write(
        plan,
        "own_checks:\n"
        "  - {name: page, url: 'http://{{ nope }}/'}\n"
        "application_checks: '{{ own_checks }}'\n"
        "application_hosts: ['{{ [1 | }}', UPPER]\n"
        "application_secrets: [{name: keys, keys: {A: {value: '{{ secrt }}'}, B: {env: B, generates: 3}}}]\n"
        "secret: x\n",
    )
    assert sorted(plan.mistakes()) == [
        f"application_checks[0].url: 'nope' is undefined; define nope. (group_vars/all.yml:{line + 1})",
        "application_hosts[0]: Syntax error in template: unexpected '}', expected ']'; correct the expression. "
        f"(group_vars/all.yml:{line + 3})",
        "application_hosts[1]: 'UPPER' is not a valid host name; use labels of a-z, 0-9 and hyphens with dots between. "
        f"(group_vars/all.yml:{line + 3})",
        f"application_secrets[0].keys.A.value: 'secrt' is undefined; did you mean secret. (group_vars/all.yml:{line + 4})",
        "application_secrets[0].keys.B.generates: this key is unknown; did you mean generate. "
        f"(group_vars/all.yml:{line + 4})",
    ]


def test_a_name_that_cannot_be_templated_is_told_once(plan: Plan) -> None:
    path = plan.inventory / "group_vars/all.yml"
    path.write_text(GOOD.replace("application_name: shop", "application_name: '{{ shp }}'"))
    assert plan.mistakes() == ["application_name: 'shp' is undefined; define shp. (group_vars/all.yml:2)"]


def test_a_variable_of_the_specification_that_does_not_exist_is_not_passed_over(plan: Plan) -> None:
    line = write(
        plan, "application_checks: '{{ application_chekcs }}'\napplication_journey: '{{ application_journey }}'\n"
    )
    checks, journey = sorted(plan.mistakes())
    assert checks == (
        "application_checks: 'application_chekcs' is undefined; did you mean application_checks. "
        f"(group_vars/all.yml:{line})"
    )
    assert journey == f"application_journey: it refers to itself; write its value. (group_vars/all.yml:{line + 1})"


@pytest.mark.parametrize(
    ("variables", "mistakes"),
    [
        ({"application_releases": None}, ["application_releases: it is nothing; write a list, or remove it."]),
        ({"application_releases": "text"}, ["application_releases: it is a text; write a list. (<CLI option '-e'>)"]),
        (
            {"application_components": ["web"]},
            ["application_components: it is a list; write a dictionary. (<CLI option '-e'>)"],
        ),
        (
            {"application_namespace": "kube-system"},
            [
                "application_namespace: 'kube-system' belongs to Kubernetes itself; use a namespace of the application's own. "
                "(<CLI option '-e'>)"
            ],
        ),
    ],
)
def test_values_of_another_kind(plan: Plan, variables: dict[str, Any], mistakes: list[str]) -> None:
    assert plan.mistakes("-e", json.dumps(variables)) == mistakes


def test_variables_of_roles_that_are_unknown_or_impossible(plan: Plan) -> None:
    line = write(
        plan,
        "aplication_hosts: [shop.localhost]\n"
        "helm_release_history_max: -3\n"
        "minikube_setup_cpus: two\n"
        "minikube_setup_driver: dockr\n"
        "minikube_setup_ingress_first_port: 70000\n"
        "minikube_setup_addons: {a: b}\n"
        "toolchain_nonsense_of_mine: 1\n"
        "image_bild_of_mine: 1\n"
        "verified_by: me\n",
    )
    found = plan.mistakes("-e", '{"helm_release_remove_failed": true, "applicatoin_hosts": []}')
    place = "(group_vars/all.yml:{})".format
    assert sorted(found) == [
        f"aplication_hosts: this variable is unknown; did you mean application_hosts. {place(line)}",
        "applicatoin_hosts: this variable is unknown; did you mean application_hosts. (<CLI option '-e'>)",
        f"helm_release_history_max: it is -3; write a number of at least 0. {place(line + 1)}",
        "helm_release_remove_failed: this variable is unknown; did you mean helm_release_remove_failed_install.",
        f"minikube_setup_addons: it is a dictionary; write a list. {place(line + 5)}",
        f"minikube_setup_cpus: it is a text; write a whole number. {place(line + 2)}",
        f"minikube_setup_driver: 'dockr' is unknown; did you mean docker. {place(line + 3)}",
        f"minikube_setup_ingress_first_port: it is 70000; write a port of at most 65535. {place(line + 4)}",
        f"toolchain_nonsense_of_mine: this variable is unknown; see the variables of the role toolchain. {place(line + 6)}",
    ]


def test_values_that_yaml_reads_as_another_than_was_written(plan: Plan) -> None:
    """Also where an expression has put them together; nothing of a Secret is shown."""
    line = write(
        plan,
        "application_hosts: [on, shop.localhost]\n"
        "base: {config: {VERSION: 1.10, ID: 1234567890123456789}}\n"
        "application_releases: [{name: 2048, chart: chart, values: \"{{ base | combine({'a': 1}) }}\"}]\n"
        "application_secrets: [{name: keys, keys: {PIN: {value: 0123456}, TIME: {value: 12:30:45}, NONE: {value: ' '}}}]\n",
    )
    path = plan.inventory / "group_vars/all.yml"
    path.write_text(path.read_text().replace("    source: web\n", "    source: web\n    build_args: {PYTHON: 3.10}\n"))
    place = "(group_vars/all.yml:{})".format
    assert sorted(plan.mistakes()) == [
        f"application_components.web.build_args.PYTHON: 3.10 is read as the number 3.1; quote it: '3.10'. {place(7)}",
        f"application_hosts[0]: on is read as true; quote it: 'on'. {place(line + 1)}",
        f"application_releases[0].name: it is a number; write a text, such as todo. {place(line + 3)}",
        "application_releases[0].values.config.ID: 1234567890123456789 is read as a number, which Helm keeps only below 2^53; "
        f"quote it: '1234567890123456789'. {place(line + 2)}",
        f"application_releases[0].values.config.VERSION: 1.10 is read as the number 1.1; quote it: '1.10', or write 1.1. {place(line + 2)}",
        "application_secrets[0].keys.NONE.value: it is nothing but blanks; write a string or number, preferably from Ansible Vault. "
        f"{place(line + 4)}",
        f"application_secrets[0].keys.PIN.value: YAML reads it as another value than is written; quote it. {place(line + 4)}",
        f"application_secrets[0].keys.TIME.value: YAML reads it as another value than is written; quote it. {place(line + 4)}",
    ]


def test_checks_are_read_as_the_module_reads_them(plan: Plan) -> None:
    """Placeholders may use the names of verify_variables, whatever these stand for."""
    line = write(
        plan,
        "verify_variables: {tenant: '{{ set_later }}'}\n"
        "application_checks:\n"
        "  - {name: page, url: 'http://x/${tenant}/${nope}', timeout: 5m}\n"
        "application_journey:\n"
        "  - {name: chat, url: x/chat, expect: {body_regex: ['([']}}\n",
    )
    place = "(group_vars/all.yml:{})".format
    assert plan.mistakes() == [
        f"application_checks[0].timeout: it is a text; write a number. {place(line + 2)}",
        f"application_checks[0].url: nothing is known as ${{nope}}; known are run_id, tenant. {place(line + 2)}",
        f"application_journey[0].url: 'x/chat' must begin with http:// or https:// and a host. {place(line + 4)}",
        "application_journey[0].expect.body_regex[0]: '([' is not a valid regular expression: unterminated character set at "
        f"position 1. {place(line + 4)}",
    ]


def test_what_is_right_is_planned(ansible: Ansible, ansible_environment: dict[str, str], inventory: Path) -> None:
    """Also with results, facts and variables of a person's own, and templates that a role fills later."""
    play = {
        "hosts": "clusters",
        "gather_facts": False,
        "vars": {
            "mine": 1,
            "verify_ingress_address": "{{ set_later }}",
            "helm_release_namespace_labels": {"a": "b"},
        },
        "tasks": [
            {"ansible.builtin.command": "true", "register": "verify_something_of_mine"},
            {"ansible.builtin.import_role": {"name": "slipway.kube.application", "rolespec_validate": False}},
            {"ansible.builtin.debug": {"msg": "planned {{ application_plan.name }}"}},
        ],
    }
    known = _role_variables.names("helm_release")
    play["vars"] = {
        name: value for name, value in play["vars"].items() if not name.startswith("helm_") or name in known
    }
    (inventory.parent / "play.yml").write_text(json.dumps([play]))
    result = ansible.playbook(
        *("-i", str(inventory), str(inventory.parent / "play.yml")),
        directory=inventory.parent,
        environment={**ansible_environment, "ANSIBLE_STDOUT_CALLBACK": "ansible.builtin.default"},
    )
    assert result.code == 0, result.out + result.err
    assert "planned shop" in result.out


def test_names_are_those_of_the_specifications() -> None:
    roles = sorted(path.name for path in (ROOT / "roles").iterdir())
    assert roles == sorted(_role_variables.ROLES)
    for role in roles:
        specs = yaml.safe_load((ROOT / f"roles/{role}/meta/argument_specs.yml").read_text())["argument_specs"]
        assert _role_variables.names(role) == {name for spec in specs.values() for name in spec["options"]}
        defaults = yaml.safe_load((ROOT / f"roles/{role}/defaults/main.yml").read_text())
        wrong = {name: _role_variables.impossible(name, value) for name, value in defaults.items()}
        assert {name: text for name, text in wrong.items() if text and "{{" not in str(defaults[name])} == {}


def test_a_persons_own_variable_may_begin_like_a_role_whose_name_is_a_common_word() -> None:
    own = ["verify_ssl", "verify_certs", "verified_by"]
    assert list(_role_variables.unknown(own)) == []
    ((name, said),) = _role_variables.unknown([*own, "verify_chekcs"])
    assert name == "verify_chekcs" and "did you mean verify_checks" in said


def test_names_of_before_that_still_work_are_known() -> None:
    old = [rename.old for rename in RENAMES if rename.kind == "variable" and rename.works]
    assert len(old) > 2 and list(_role_variables.unknown(old)) == []


def test_facts_are_those_that_roles_leave() -> None:
    def facts(tasks: Any) -> set[str]:
        found = set()
        for task in tasks or ():
            found |= set(task.get("ansible.builtin.set_fact", ())) | {task.get("register", "__")}
            for part in ("block", "rescue", "always"):
                found |= facts(task.get(part))
        return found

    files = sorted((ROOT / "roles").glob("*/tasks/*.yml"))
    found = {name for path in files for name in facts(yaml.safe_load(path.read_text()))}
    assert {name for name in found if not name.startswith("__")} == set(_role_variables.FACTS)
