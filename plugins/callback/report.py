# Copyright: (c) 2026, Slipway contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Write what happened in a run to a JSON file and an HTML page.

The JSON file holds one object:

- schema (str): V(slipway.report/1).
- playbook (str): file name. started, finished (str): UTC, ISO 8601. duration_s (float).
- check_mode (bool). result (str): ok, or failed when a task failed for good or a host was unreachable.
- hosts (list of str): names of the hosts that had tasks.
- counts (dict of int): results by status: ok, changed, skipped, failed, unreachable, rescued, ignored.
- addresses (dict): host name to the address registered by C(slipway_address).
- summary (list of dict): phase, host, line: the lines registered by C(slipway_summary), in order.
- phases (list of dict), in the order in which they began: name (str), duration_s (float), tasks (int),
  counts (dict of int), spans (list of [begin, end]: seconds since the start between which tasks of the phase ran).
- tasks (list of dict), in the order in which they ended: name, phase, role (str or null), host, action, path
  (file:line), status, check_mode (bool), started_s and duration_s (float). Failed ones (of every status) also have
  failure (what, why, remedy, in_service and code, each a str, and evidence, a list of str) and result (the task's result without
  arguments and secrets).
- checks (list of dict): results of health checks as the module returned them, with host and task added. Of a check
  that was made several times in one task the last result counts; later tasks add theirs.
"""

from __future__ import annotations

DOCUMENTATION = r"""
name: report
type: notification
short_description: Writes a report of each run as JSON and HTML
version_added: 0.1.0
author: Slipway contributors (@slipway)
description:
  - Writes a JSON file and a self-contained HTML page per run, with the phases, the tasks and their durations, what
    failed and why, and the results of health checks.
  - Writes a report only for runs with tasks of the collection's roles.
  - Keeps the reports of the last runs and removes older ones. C(latest.html) and C(latest.json) are links to the newest.
  - Never writes the arguments of modules. Redacts values whose names suggest a secret, and credentials in texts.
requirements:
  - Enable it with C(callbacks_enabled = slipway.kube.report) in the section C([defaults]) of the configuration.
options:
  directory:
    description:
      - Directory of the reports. It is created if needed.
      - By default C(reports) next to the configuration file of the project, or in the working directory.
    type: path
    env:
      - name: SLIPWAY_REPORT_DIR
    ini:
      - section: slipway_report
        key: directory
  keep:
    description: Number of runs whose reports are kept. V(0) keeps all.
    type: int
    default: 20
    env:
      - name: SLIPWAY_REPORT_KEEP
    ini:
      - section: slipway_report
        key: keep
"""

import json
import os
import re
import shutil
import tempfile
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ansible import constants as C
from ansible import context
from ansible.playbook.task_include import TaskInclude
from ansible.plugins.callback import CallbackBase
from ansible_collections.slipway.kube.plugins.plugin_utils._failure import failure_of
from ansible_collections.slipway.kube.plugins.plugin_utils._known_values import learn_from, outside, written
from ansible_collections.slipway.kube.plugins.plugin_utils._record import (
    FAILURES,
    ReportPlace,
    RunRecord,
    TaskRecord,
    is_rescued,
    role_of,
)
from ansible_collections.slipway.kube.plugins.plugin_utils._report_html import render
from ansible_collections.slipway.kube.plugins.plugin_utils._text import (
    address_in,
    checks_in,
    each_result,
    summary_in,
)

if TYPE_CHECKING:
    from ansible.executor.stats import AggregateStats
    from ansible.executor.task_result import CallbackTaskResult
    from ansible.inventory.host import Host
    from ansible.playbook import Playbook
    from ansible.playbook.handler import Handler
    from ansible.playbook.play import Play
    from ansible.playbook.task import Task

SCHEMA = "slipway.report/1"
_COLLECTION = "slipway.kube."
_OWN_ROLES = Path(__file__).resolve().parents[2] / "roles"
_REPORT_NAME = re.compile(r"^\d{8}T\d{6}Z-[\w.-]+\.(html|json)$")


def default_directory(configuration: str | None, working: str) -> Path:
    """Return `reports` beside a project's configuration file, else in the working directory.

    The configuration of the machine or of the person belongs to no project.
    """
    if configuration:
        path = Path(configuration)
        if path.name == "ansible.cfg" and path.parent != Path("/etc/ansible"):
            return path.parent / "reports"
    return Path(working) / "reports"


def write_whole(path: Path, text: str) -> None:
    """Write a file so that nobody ever reads half of it. Raises OSError."""
    handle, temporary = tempfile.mkstemp(dir=path.parent, prefix=".report-")
    try:
        with os.fdopen(handle, "w", encoding="utf-8", errors="replace") as stream:
            stream.write(text)
        os.replace(temporary, path)
    except BaseException:
        Path(temporary).unlink(missing_ok=True)
        raise


def lead_to(link: Path, target: Path) -> None:
    """Make a link beside its target, or a copy where links are not to be had. Raises OSError."""
    fresh = link.with_name(f".{link.name}-{os.getpid()}")
    fresh.unlink(missing_ok=True)
    try:
        fresh.symlink_to(target.name)
    except OSError:
        shutil.copyfile(target, fresh)
    os.replace(fresh, link)


def prune(directory: Path, keep: int) -> None:
    """Remove the reports of all but the newest runs. Their names begin with their time. Raises OSError."""
    if keep <= 0:
        return
    runs = sorted({path.stem for path in directory.iterdir() if _REPORT_NAME.match(path.name)})
    for stem in runs[:-keep]:
        for suffix in (".html", ".json"):
            (directory / f"{stem}{suffix}").unlink(missing_ok=True)


class CallbackModule(CallbackBase):
    """Collects a run and writes it down at its end."""

    CALLBACK_VERSION = 2.0
    CALLBACK_TYPE = "notification"
    CALLBACK_NAME = "slipway.kube.report"
    CALLBACK_NEEDS_ENABLED = True

    def __init__(self) -> None:
        super().__init__()
        self._reset("")

    def _reset(self, playbook: str) -> None:
        self._playbook = playbook
        self._record = RunRecord()
        self._started = datetime.now(UTC)
        self._relevant = False
        self._details: dict[int, dict[str, Any]] = {}
        self._checks: dict[tuple[str, str, str], dict[str, Any]] = {}
        self._addresses: dict[str, str] = {}
        self._summary: list[dict[str, str]] = []
        ReportPlace.path = None

    # ---------------------------------------------------------------- collecting
    def v2_playbook_on_start(self, playbook: Playbook) -> None:
        """Begin a playbook."""
        self._reset(os.path.basename(str(playbook._file_name)))

    def v2_playbook_on_play_start(self, play: Play) -> None:
        """Note the play, which names the phase of tasks outside of roles."""
        learn_from(play)
        self._record.play = outside(play.get_name().strip())

    def v2_playbook_on_task_start(self, task: Task, is_conditional: bool) -> None:
        """Note a task; the first one of an own role makes the run worth a report."""
        self._record.announce(task)
        if not self._relevant and self._is_own(task):
            self._relevant = True
            ReportPlace.path = self._display_path(self._base().with_suffix(".html"))

    def v2_playbook_on_handler_task_start(self, task: Handler) -> None:
        """Note a handler."""
        self.v2_playbook_on_task_start(task, False)

    def v2_runner_on_start(self, host: Host, task: Task) -> None:
        """Note when a task starts on a host."""
        self._record.start(host.get_name(), task)

    def v2_runner_on_ok(self, result: CallbackTaskResult) -> None:
        """Note a success."""
        changed = result.result.get("changed") and not isinstance(result.task, TaskInclude)
        self._finish(result, "changed" if changed else "ok")

    def v2_runner_on_failed(self, result: CallbackTaskResult, ignore_errors: bool = False) -> None:
        """Note a failure."""
        self._finish(result, "ignored" if ignore_errors else "rescued" if is_rescued(result.task) else "failed")

    def v2_runner_on_unreachable(self, result: CallbackTaskResult) -> None:
        """Note a host that cannot be reached."""
        self._finish(result, "ignored" if result.task.ignore_unreachable is True else "unreachable")

    def v2_runner_on_skipped(self, result: CallbackTaskResult) -> None:
        """Note a skipped task."""
        self._finish(result, "skipped")

    def _finish(self, result: CallbackTaskResult, status: str) -> None:
        record = self._record.finish(result.host.get_name(), result.task, status)
        found = result.result
        if status in (*FAILURES, "rescued", "ignored"):
            self._details[id(record)] = {"failure": failure_of(found).as_dict(), "result": written(found)}
        address = address_in(found)
        if address:
            self._addresses[record.host] = address
        # Debug shows variables under their own names, among them those that others registered.
        told = summary_in(found) if result.task.action not in C._ACTION_DEBUG else []
        for line in told:
            self._summary.append({"phase": record.phase, "host": record.host, "line": line})
        for one in each_result(found):
            for check in checks_in(one):
                kept = {**written(check), "host": record.host, "task": record.name}
                # Taken out first, so that a repeated check moves to its last place.
                self._checks.pop((record.host, record.name, str(check["name"])), None)
                self._checks[(record.host, record.name, str(check["name"]))] = kept

    @staticmethod
    def _is_own(task: Task) -> bool:
        role = task._role
        if role is None:
            return False
        if (role_of(task) or "").startswith(_COLLECTION):
            return True
        return Path(str(role._role_path)).resolve().is_relative_to(_OWN_ROLES)

    # ---------------------------------------------------------------- writing
    def v2_playbook_on_stats(self, stats: AggregateStats) -> None:
        """Write the report. A report that cannot be written is a warning, never the end of a run."""
        if not self._relevant:
            return
        base = self._base()
        report = self.report()
        try:
            base.parent.mkdir(parents=True, exist_ok=True)
            for suffix, text in (
                (".json", json.dumps(report, indent=2, ensure_ascii=False) + "\n"),
                (".html", render(report)),
            ):
                path = base.with_name(base.name + suffix)
                write_whole(path, text)
                # mkstemp's files are private; a report is as open as the person's other files.
                umask = os.umask(0)
                os.umask(umask)
                path.chmod(0o666 & ~umask)
                lead_to(base.parent / f"latest{suffix}", path)
            prune(base.parent, self.get_option("keep"))
        except OSError as error:
            self._display.warning(
                f"The report could not be written to {base.parent}: {error.strerror or error}. "
                "Name a directory that can be written in SLIPWAY_REPORT_DIR."
            )

    def report(self) -> dict[str, Any]:
        """Return the report as it is written to the JSON file."""
        counts = self._record.counts()
        finished = datetime.now(UTC)
        return {
            "schema": SCHEMA,
            "playbook": self._playbook,
            "started": self._started.isoformat(timespec="seconds"),
            "finished": finished.isoformat(timespec="seconds"),
            "duration_s": round(self._record.elapsed, 3),
            "check_mode": bool(context.CLIARGS.get("check")),
            "result": "failed" if any(counts[name] for name in FAILURES) else "ok",
            "hosts": list(dict.fromkeys(task.host for task in self._record.tasks)),
            "counts": dict(counts),
            "addresses": self._addresses,
            "summary": self._summary,
            "phases": [
                {
                    "name": phase.name,
                    "duration_s": round(phase.duration, 3),
                    "tasks": sum(phase.counts.values()),
                    "counts": dict(phase.counts),
                    "spans": [[round(begin, 3), round(end, 3)] for begin, end in phase.spans],
                }
                for phase in self._record.phases()
            ],
            "tasks": [self._task(record) for record in self._record.tasks],
            "checks": list(self._checks.values()),
        }

    def _task(self, record: TaskRecord) -> dict[str, Any]:
        return {
            "name": outside(record.name),
            "phase": record.phase,
            "role": record.role,
            "host": record.host,
            "action": record.action,
            "path": self._display_path(Path(record.path)) if record.path else "",
            "status": record.status,
            "check_mode": record.check_mode,
            "started_s": round(record.started, 3),
            "duration_s": round(record.duration, 3),
            **self._details.get(id(record), {}),
        }

    def _base(self) -> Path:
        """Return the path of this run's files without their suffix."""
        chosen = self.get_option("directory")
        directory = Path(chosen) if chosen else default_directory(C.CONFIG_FILE, os.getcwd())
        name = re.sub(r"[^\w-]+", "-", Path(self._playbook).stem) or "run"
        return directory / f"{self._started.strftime('%Y%m%dT%H%M%SZ')}-{name}-{os.getpid()}"

    @staticmethod
    def _display_path(path: Path) -> str:
        """Return a path relative to the working directory when it lies below it."""
        try:
            return str(path.relative_to(os.getcwd()))
        except ValueError:
            return str(path)
