# Copyright: (c) 2026, Slipway contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Filter that says what a deploy needs of the machine, and what of it is missing."""

from __future__ import annotations

DOCUMENTATION = r"""
name: doctor_findings
short_description: Say what a deploy needs of the machine, and what is missing
version_added: 0.3.0
author: Slipway contributors (@slipway)
description:
  - Tells what a deploy would make by itself from what somebody has to do first.
positional: needs
options:
  _input:
    description: The result of M(slipway.kube.environment_info).
    type: dict
    required: true
  needs:
    description: The least C(memory_mb) and C(disk_gb), and the directory of the cache (C(cache)).
    type: dict
    required: true
  engine:
    description: The result of M(slipway.kube.container_engine) in check mode, if no engine is running.
    type: dict
    default: {}
  probe:
    description: The result of M(slipway.kube.url_probe_info), if the tools are missing and their source is not chosen.
    type: dict
    default: {}
  sums:
    description: Whether the SHA-256 of every cached file was compared.
    type: bool
    default: false
"""

EXAMPLES = r"""
- name: Show what is missing
  ansible.builtin.debug:
    msg: "{{ (environment | slipway.kube.doctor_findings({'memory_mb': 4096, 'disk_gb': 20, 'cache': '~/.cache/slipway'})).lines }}"
"""

RETURN = r"""
_value:
  description:
    - C(lines) to show, one a subject.
    - C(problems) are those that somebody has to put right before a deploy, each with what to do.
  type: dict
  sample:
    lines: ["ok       memory     24029 MiB"]
    problems: []
"""

from collections.abc import Callable, Iterator, Mapping
from typing import Any, NamedTuple

OK = "ok"
LATER = "later"
PROBLEM = "problem"
_SOURCES = {
    "release": "their official releases",
    "packages": "package registries, compiled and built on this machine once",
    "bundle": "the bundle",
}


class Finding(NamedTuple):
    """What was found about one subject. LATER is what a deploy does by itself."""

    state: str
    subject: str
    text: str


def machine(found: Mapping[str, Any], needs: Mapping[str, Any], complete: bool) -> Iterator[Finding]:
    """Compare the machine's size with what is needed; the disk matters until everything is there."""
    here = found["machine"]
    if here["architecture"] == "x86_64":
        yield Finding(OK, "processor", "x86_64")
    else:
        text = f"{here['architecture']}; Slipway's programs and images are built for x86_64. Use such a machine."
        yield Finding(PROBLEM, "processor", text)
    memory = f"{here['memory_mb']} MiB"
    if here["memory_mb"] >= needs["memory_mb"]:
        yield Finding(OK, "memory", memory)
    else:
        less = (
            f"{memory}; a cluster needs {needs['memory_mb']}. Use a larger machine, or lower toolchain_min_memory_mb."
        )
        yield Finding(PROBLEM, "memory", less)
    disk = f"{here['disk_free_gb']} GB free for {needs['cache']}"
    if complete or here["disk_free_gb"] >= needs["disk_gb"]:
        yield Finding(OK, "disk", disk)
    else:
        less = f"{disk}; setup needs {needs['disk_gb']}. Free some space, or set toolchain_cache_dir to another disk."
        yield Finding(PROBLEM, "disk", less)


def engine_of(found: Mapping[str, Any], engine: Mapping[str, Any]) -> Finding:
    """Say whether a container engine is running, and otherwise what a deploy would do."""
    if found["engine_version"]:
        return Finding(OK, "engine", f"{found['engine_version']} at {found['docker_host']}")
    if engine.get("failed"):
        return Finding(PROBLEM, "engine", f"none is running. {engine.get('msg', '')}")
    return Finding(
        LATER, "engine", "none is running; a deploy installs Debian's, if it is not installed, and starts it"
    )


def tools_of(found: Mapping[str, Any], probe: Mapping[str, Any], sums: bool) -> Finding:
    """Say whether the programs and images of the recorded source are there, and otherwise where they come from."""
    missing = [one for one in found["missing"] if one != "container engine"]
    source = found["source"]
    if source and not missing:
        checked = ", the sums of all files are right" if sums else ""
        return Finding(OK, "tools", f"complete, from {_SOURCES.get(source, source)}{checked}")
    if found["cached"] and source:
        return Finding(LATER, "tools", f"a deploy puts back what is missing, from the cache: {', '.join(missing)}")
    if not source and probe:
        source = "release" if probe.get("reachable") else "packages"
    what = ", ".join(missing) if found["source"] else "everything"
    return Finding(LATER, "tools", f"a deploy gets what is missing from {_SOURCES.get(source, source)}: {what}")


def cluster_of(found: Mapping[str, Any]) -> Iterator[Finding]:
    """Say in which state the cluster is, and whether a new one gets a port."""
    cluster = found["cluster"]
    name, state = cluster["profile"], cluster["state"]
    if state == "running":
        where = f"port {cluster['ingress_port']}" if cluster.get("ingress_port") else cluster.get("address", "")
        version = cluster.get("kubernetes_version", "")
        yield Finding(OK, "cluster", f"{name} is running, Kubernetes {version}, {where}")
        return
    states = {"unknown": "cannot be seen yet", "absent": "does not exist"}
    yield Finding(LATER, "cluster", f"{name} {states.get(state, f'is {state}')}; a deploy starts it")
    if found["machine"]["port_error"]:
        yield Finding(PROBLEM, "port", found["machine"]["port_error"])


def doctor_findings(
    found: Mapping[str, Any],
    needs: Mapping[str, Any],
    engine: Mapping[str, Any] | None = None,
    probe: Mapping[str, Any] | None = None,
    sums: bool = False,
) -> dict[str, list[str]]:
    """Return the filter's value."""
    findings = [
        *machine(found, needs, not found["missing"]),
        engine_of(found, engine or {}),
        tools_of(found, probe or {}, sums),
        *cluster_of(found),
    ]
    return {
        "lines": [f"{one.state:<8} {one.subject:<10} {one.text}" for one in findings],
        "problems": [f"{one.subject}: {one.text}" for one in findings if one.state == PROBLEM],
    }


class FilterModule:
    """The filter."""

    def filters(self) -> dict[str, Callable[..., Any]]:
        return {"doctor_findings": doctor_findings}
