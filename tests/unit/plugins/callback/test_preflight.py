# Copyright: (c) 2026, Slipway contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Runs that could do nothing of what was asked end before their first task, with cause, place and remedy."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from ansible_collections.slipway.kube.plugins.plugin_utils import _beginnings

if TYPE_CHECKING:
    from ansible_collections.slipway.kube.tests.unit.ansible_runs import Ansible, Run

ROOT = Path(__file__).resolve().parents[4]
HOSTS = "clusters: {hosts: {localhost: {ansible_connection: local}}}\n"


@pytest.fixture
def inventory(tmp_path: Path) -> Path:
    """A folder with an inventory of one host."""
    folder = tmp_path / "inventories/shop"
    folder.mkdir(parents=True)
    (folder / "hosts.yml").write_text(HOSTS)
    return folder


def run(ansible: Ansible, environment: dict[str, str], inventory: Path, *arguments: str) -> Run:
    """Run a playbook of the project with the project's configuration."""
    return ansible.playbook(
        "-i",
        str(inventory),
        *arguments,
        directory=inventory.parents[1],
        environment={**environment, "ANSIBLE_CONFIG": str(ROOT / "ansible.cfg")},
    )


def playbook(name: str) -> str:
    return str(ROOT / "playbooks" / f"{name}.yml")


def said(result: Run) -> str:
    """What a run said, without its line breaks."""
    text = result.out + result.err
    assert "Traceback" not in text and "nothing changed" not in text and "Done" not in text
    assert "as before; nothing was changed" in text
    return " ".join(text.split())


@pytest.mark.parametrize("name", ["site", "status", "rollback", "teardown", "bundle"])
def test_an_inventory_that_does_not_exist(
    ansible: Ansible, ansible_environment: dict[str, str], inventory: Path, name: str
) -> None:
    lost = inventory.with_name("shoop")
    result = run(ansible, ansible_environment, lost, playbook(name))
    assert result.code == 1
    text = said(result)
    assert f"{lost} does not exist; a file or folder with an inventory was expected." in text
    assert "INVENTORY=PATH" in text and "there are shop." in text


@pytest.mark.parametrize("content", [None, "all: {hosts: {localhost: }}\n", "clusters: {hosts: {}}\n"])
def test_an_inventory_without_a_cluster(
    ansible: Ansible, ansible_environment: dict[str, str], inventory: Path, content: str | None
) -> None:
    (inventory / "hosts.yml").unlink()
    if content:
        (inventory / "hosts.yml").write_text(content)
    result = run(ansible, ansible_environment, inventory, playbook("status"))
    assert result.code == 1
    assert f"No host of {inventory} matches clusters." in said(result)


def test_a_limit_to_nobody(ansible: Ansible, ansible_environment: dict[str, str], inventory: Path) -> None:
    result = run(ansible, ansible_environment, inventory, playbook("status"), "--limit", "nobody")
    assert result.code == 1
    assert "nobody" in result.err and "no hosts to target" in result.err and "Traceback" not in result.err


def test_hosts_that_cannot_be_parsed(ansible: Ansible, ansible_environment: dict[str, str], inventory: Path) -> None:
    (inventory / "hosts.yml").write_text("clusters:\n  hosts: {localhost: }]\n")
    result = run(ansible, ansible_environment, inventory, playbook("status"))
    assert result.code == 1
    assert f"{inventory}/hosts.yml:2:23: " in said(result)


def test_variables_that_cannot_be_parsed_all_at_once(
    ansible: Ansible, ansible_environment: dict[str, str], inventory: Path
) -> None:
    (inventory / "group_vars/all").mkdir(parents=True)
    (inventory / "group_vars/all/one.yml").write_text("application_name: shop\nkeys:\n\t- a\n")
    (inventory / "group_vars/all/two.yml").write_text("application_hosts: [a, b\napplication_checks: []\n")
    (inventory / "files").mkdir()
    (inventory / "files/three.yml").write_text("[")
    result = run(ansible, ansible_environment, inventory, playbook("status"))
    assert result.code == 4
    text = said(result)
    assert f"{inventory}/group_vars/all/one.yml:3:1: a tab is no indentation in YAML." in text
    assert f"{inventory}/group_vars/all/two.yml:2:19: did not find expected ',' or ']'" in text
    assert "three.yml" not in text


@pytest.mark.parametrize(
    ("name", "option", "tag", "remedy"),
    [
        ("site", "--tags", "bild", "Did you mean build?"),
        ("site", "--skip-tags", "verifies", "Did you mean verify?"),
        ("site", "--tags", "build,nonsense", "Known are build, deploy, setup, verify."),
        ("teardown", "--tags", "build", "Leave the tags out: this playbook has none."),
    ],
)
def test_tags_that_no_task_has(
    ansible: Ansible,
    ansible_environment: dict[str, str],
    inventory: Path,
    name: str,
    option: str,
    tag: str,
    remedy: str,
) -> None:
    result = run(ansible, ansible_environment, inventory, playbook(name), option, tag)
    assert result.code == 5
    text = said(result)
    assert f"No task of this playbook has the tag {tag.rsplit(',', 1)[-1]}." in text and remedy in text


def test_what_is_right_runs(ansible: Ansible, ansible_environment: dict[str, str], inventory: Path) -> None:
    """With a build, notes and other YAML beside the inventory, and a tag within a block."""
    (inventory / "Dockerfile").write_text("FROM python:3.13-slim\n")
    (inventory / "api.Dockerfile").write_text("FROM python:3.13-slim\n")
    (inventory / "NOTES").write_text("# Notes: [\n")
    (inventory / "compose.yaml").write_text("services: {web: {image: web}}\n")
    (inventory / "files").mkdir()
    (inventory / "files/values.yaml").write_text("image: {tag: [}\n")
    (inventory / "play.yml").write_text(
        '[{"hosts": "clusters", "gather_facts": false, "tasks": '
        '[{"block": [{"ansible.builtin.meta": "noop", "tags": "inner"}, {"ansible.builtin.debug": {"msg": "ran"}, "tags": "inner"}]}]}]'
    )
    play = inventory.with_name("play.yml")
    (inventory / "play.yml").rename(play)
    result = run(ansible, ansible_environment, inventory, str(play), "--tags", "inner,untagged")
    assert result.code == 0, result.out + result.err
    assert "ran" in result.out and "WARNING" not in result.err, result.err


@pytest.mark.parametrize(("known", "found"), [(("verify", "deploy"), ["verifies"]), ((), [])])
def test_a_tag_to_skip_is_refused_only_where_it_is_close_to_a_known_one(
    known: tuple[str, ...], found: list[str]
) -> None:
    assert _beginnings.misspelt(["molecule-notest", "notest", "verifies", "deploy"], known) == found


@pytest.mark.parametrize("options", [("--skip-tags", "inner"), ("--tags", "inner"), ("--tags", "named")])
def test_tags_that_only_the_run_knows_are_left_to_ansible(
    ansible: Ansible, ansible_environment: dict[str, str], inventory: Path, options: tuple[str, str]
) -> None:
    """One within tasks that are included while the run goes on, and one that is a template."""
    folder = inventory.parent
    (folder / "later.yml").write_text('[{"ansible.builtin.debug": {"msg": "inside"}, "tags": "inner"}]')
    include = '{"ansible.builtin.include_tasks": "later.yml", "tags": "always"}'
    named = '{"ansible.builtin.debug": {"msg": "by name"}, "tags": "{{ mine }}"}'
    play = folder / "play.yml"
    play.write_text(
        f'[{{"hosts": "clusters", "gather_facts": false, "vars": {{"mine": "named"}}, "tasks": [{include}, {named}]}}]'
    )
    result = run(ansible, ansible_environment, inventory, str(play), *options)
    assert result.code == 0, result.out + result.err
    assert ("inside" in result.out, "by name" in result.out) == {
        ("--skip-tags", "inner"): (False, True),
        ("--tags", "inner"): (True, False),
        ("--tags", "named"): (False, True),
    }[options]


@pytest.mark.parametrize("name", ["todo.yml", "notes.ini"])
def test_an_inventory_may_be_called_like_notes(
    ansible: Ansible, ansible_environment: dict[str, str], inventory: Path, name: str
) -> None:
    (inventory / "hosts.yml").unlink()
    (inventory / name).write_text(HOSTS if name.endswith("yml") else "[clusters]\nlocalhost ansible_connection=local\n")
    play = inventory.with_name("play.yml")
    play.write_text(
        '[{"hosts": "clusters", "gather_facts": false, "tasks": [{"ansible.builtin.debug": {"msg": "ran"}}]}]'
    )
    result = run(ansible, ansible_environment, inventory, str(play))
    assert result.code == 0, result.out + result.err
    assert "ran" in result.out


def test_without_any_inventory_there_is_localhost(
    ansible: Ansible, ansible_environment: dict[str, str], tmp_path: Path
) -> None:
    play = tmp_path / "play.yml"
    play.write_text(
        '[{"hosts": "localhost", "gather_facts": false, "tasks": [{"ansible.builtin.debug": {"msg": "ran"}}]}]'
    )
    (tmp_path / "ansible.cfg").write_text("[defaults]\ncallbacks_enabled = slipway.kube.preflight\n")
    environment = {**ansible_environment, "ANSIBLE_CONFIG": str(tmp_path / "ansible.cfg")}
    result = ansible.playbook(str(play), directory=tmp_path, environment=environment)
    assert result.code == 0, result.out + result.err
    assert "ran" in result.out
