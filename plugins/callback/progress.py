# Copyright: (c) 2026, Slipway contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
name: progress
type: stdout
short_description: Shows only the important lines of a run
version_added: 0.1.0
author: Slipway contributors (@slipway)
description:
  - Shows each phase of a run (a role of the collection is a phase, other roles go by their own name), with one line for each
    task that changed something, failed, or took long. Other tasks are not shown.
  - Each failure is explained once, at the end of the run, in at most fifteen lines. They contain what failed, the cause, the
    evidence, the remedy, which version is in service, and the path of the report. At the time of the failure, one line names
    the failed task.
  - Failures that rescue tasks fixed have one line each at the end.
  - C(-v) shows the file and line of each task.
  - On a terminal, one line that is updated in place shows the running task. If the output is not a terminal, or E(NO_COLOR),
    E(ANSIBLE_NOCOLOR) or E(CI) is set, long tasks print a line at intervals instead.
  - The run ends with the duration of each phase, the number of changes, and the URL to open.
  - C(-v) shows every task, C(-vv) also its result.
  - Deprecated names of modules and options of this collection are shown even if E(ANSIBLE_DEPRECATION_WARNINGS) is off.
  - A result or a fact may contain C(slipway_address), the URL to open, which is shown at the end, and C(slipway_summary), a
    list of lines that is shown immediately.
  - A failed result may contain C(code), C(cause), C(evidence) and C(suggestion), directly or in C(diagnosis). A task that ends
    a rescue may contain the same in C(slipway_failure), with C(in_service), which says what is now in service.
extends_documentation_fragment:
  - ansible.builtin.result_format_callback
requirements:
  - Set as the stdout callback in the configuration.
options:
  show_ok:
    description: Whether to show tasks that changed nothing.
    type: bool
    default: false
    env:
      - name: SLIPWAY_PROGRESS_SHOW_OK
    ini:
      - section: slipway_progress
        key: show_ok
  slow:
    description: A task that changed nothing is shown if it took longer than this number of seconds.
    type: float
    default: 2
    env:
      - name: SLIPWAY_PROGRESS_SLOW
    ini:
      - section: slipway_progress
        key: slow
  heartbeat:
    description:
      - Interval, in seconds, between lines about a running task if no line can be updated in place.
      - After four lines, the interval is four times as long. V(0) means never.
    type: float
    default: 15
    env:
      - name: SLIPWAY_PROGRESS_HEARTBEAT
    ini:
      - section: slipway_progress
        key: heartbeat
  live:
    description: Whether to show the running task in a line that is updated in place on a terminal.
    type: bool
    default: true
    env:
      - name: SLIPWAY_PROGRESS_LIVE
    ini:
      - section: slipway_progress
        key: live
"""

# Written by hand: Ansible shows a run through one stdout callback, and a library of progress displays (rich, tqdm) wants the terminal
# for itself, to which Ansible, its other plugins and its forked workers write too.
import atexit
import os
import textwrap
from collections import Counter
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from ansible import constants as C
from ansible import context
from ansible.playbook.task_include import TaskInclude
from ansible.plugins.callback import CallbackBase
from ansible_collections.slipway.kube.plugins.module_utils._common.text import clean, duration
from ansible_collections.slipway.kube.plugins.plugin_utils._deprecations import of_module, of_options
from ansible_collections.slipway.kube.plugins.plugin_utils._failure import Failure, failure_of, lay_out
from ansible_collections.slipway.kube.plugins.plugin_utils._failures import (
    Cause,
    FailureLog,
    in_service,
    is_verdict,
    with_items,
)
from ansible_collections.slipway.kube.plugins.plugin_utils._known_values import outside
from ansible_collections.slipway.kube.plugins.plugin_utils._record import (
    ReportPlace,
    RunRecord,
    TaskRecord,
    in_rescue,
    is_rescued,
)
from ansible_collections.slipway.kube.plugins.plugin_utils._screen import Screen
from ansible_collections.slipway.kube.plugins.plugin_utils._summary import headline, is_bad, phase_times
from ansible_collections.slipway.kube.plugins.plugin_utils._text import (
    address_in,
    imperative,
    summary_in,
)

if TYPE_CHECKING:
    from ansible.executor.stats import AggregateStats
    from ansible.executor.task_result import CallbackTaskResult
    from ansible.inventory.host import Host
    from ansible.playbook import Playbook
    from ansible.playbook.handler import Handler
    from ansible.playbook.included_file import IncludedFile
    from ansible.playbook.play import Play
    from ansible.playbook.task import Task

_INTERLEAVED = ("free", "host_pinned")


class CallbackModule(CallbackBase):
    """Shows phases, what changed, what failed and why, and how long it took."""

    CALLBACK_VERSION = 2.0
    CALLBACK_TYPE = "stdout"
    CALLBACK_NAME = "slipway.kube.progress"

    def __init__(self) -> None:
        super().__init__()
        self._screen = Screen(self._display, 12 if context.CLIARGS.get("check") else 8)
        self._stats_before: Counter[str] = Counter()
        self._reset()
        # A run that is broken off has no end of its own, and must not keep a cause to itself.
        atexit.register(self._tell_what_is_left, os.getpid())

    def _reset(self) -> None:
        self._record = RunRecord()
        self._screen.reset(self._record)
        self._failures = FailureLog()
        self._diffs: dict[tuple[str, str], list[str]] = {}
        self._broken: dict[tuple[str, str], list[tuple[str, Failure]]] = {}
        self._addresses: dict[str, str] = {}
        ReportPlace.path = None

    # ---------------------------------------------------------------- the run
    def v2_playbook_on_start(self, playbook: Playbook) -> None:
        """Begin a playbook; several may follow each other in one run."""
        self._reset()
        if self._display.verbosity > 1:
            self._screen.say(f"playbook: {playbook._file_name}", C.COLOR_VERBOSE)

    def v2_playbook_on_play_start(self, play: Play) -> None:
        """Name the play."""
        with self._screen.lock:
            self._screen.close_phase(quiet=self._is_adhoc())
            self._screen.learn(play)
            self._screen.start_beat(self.get_option("live"), self.get_option("heartbeat"))
            # Without a name of its own a play is called by its host pattern, which tells nobody anything.
            pattern = play.hosts if isinstance(play.hosts, str) else ",".join(play.hosts or [])
            name = clean(play.get_name().strip())
            self._record.play = name if name != pattern else ""
            self._screen.begin_play(self._record.play)
            self._screen.interleaved = str(play.strategy).rsplit(".", 1)[-1] in _INTERLEAVED
            hosts = play.get_variable_manager().get_vars(play=play).get("ansible_play_hosts_all", [])
            self._screen.many_hosts = len(hosts) > 1
            if self._record.play and not self._is_adhoc():
                checked = " (check mode: nothing is changed)" if play.check_mode else ""
                self._screen.show_play(f"{self._record.play}{checked}")

    def v2_playbook_on_stats(self, stats: AggregateStats) -> None:
        """Sum the run up."""
        with self._screen.lock:
            self._screen.close_phase(quiet=self._is_adhoc())
            self._screen.stop_beat()
            if not self._is_adhoc():
                self._sum_up(self._new_stats(stats))
                self._custom_stats(stats)

    def _new_stats(self, stats: AggregateStats) -> Counter[str]:
        """Return Ansible's own counts of this playbook; Ansible adds them up over all playbooks of a run."""
        total: Counter[str] = Counter()
        for host in stats.processed:
            total.update(stats.summarize(host))
        new = Counter({name: count - self._stats_before[name] for name, count in total.items()})
        self._stats_before = total
        return new

    def _sum_up(self, counts: Counter[str]) -> None:
        recovered = self._failures.recovered
        # A failure whose rescue failed too is the run's own.
        counts["rescued"] = min(counts["rescued"], len(recovered))
        bad = is_bad(counts)
        colour = C.COLOR_ERROR if bad else C.COLOR_CHANGED if counts["changed"] else C.COLOR_OK
        self._screen.gap()
        self._screen.say(headline(counts, bool(context.CLIARGS.get("check")), self._record.elapsed), colour)
        for line in phase_times(self._record.phases(), self._screen.width()):
            self._screen.say(line)
        if ReportPlace.path and not bad:
            self._screen.say(f"Report: {ReportPlace.path}")
        for cause in recovered:
            self._screen.say(f"  rescued  {self._titled(cause)}: {cause.failure.brief()}")
        for host, address in self._addresses.items():
            owner = f" ({host})" if len(self._addresses) > 1 else ""
            self._screen.say(f"{'Address:' if bad else 'Open'} {address}{owner}", None if bad else C.COLOR_OK)
        self._tell_causes()

    def _tell_causes(self) -> None:
        """Tell why the run failed: one block for each cause."""
        causes = self._failures.final
        for cause in causes:
            self._screen.gap()
            self._tell_cause(cause, last=cause is causes[-1])
        self._failures = FailureLog()

    def _tell_cause(self, cause: Cause, last: bool) -> None:
        ends = [("where", self._short_path(cause.record.path))] if self._display.verbosity and cause.record.path else []
        if last and ReportPlace.path:
            ends.append(("report", ReportPlace.path))
        elif last and self._display.verbosity < 2 and not self._is_adhoc():
            ends.append(("more", "run again with -vv for the whole result"))
        failure = replace(cause.failure, in_service=in_service(cause, self._record.tasks))
        for line in lay_out(self._titled(cause), failure, ends, self._screen.width()):
            self._screen.tell_labelled(line)

    def _titled(self, cause: Cause) -> str:
        hosts = f" on {', '.join(sorted(cause.hosts))}" if self._screen.many_hosts else ""
        return f"{cause.record.name}{hosts}"

    def _tell_what_is_left(self, owner: int) -> None:
        """Tell the failures of a run that was broken off, in the process that Ansible runs in."""
        if os.getpid() == owner and (self._failures.final or self._failures.recovered):
            for cause in self._failures.recovered:
                self._screen.gap()
                self._tell_cause(cause, last=False)
            self._tell_causes()

    def _custom_stats(self, stats: AggregateStats) -> None:
        if C.SHOW_CUSTOM_STATS and stats.custom:
            for owner, values in sorted(stats.custom.items()):
                self._screen.say(
                    f"{'stats' if owner == '_run' else owner}: {self._dump_results(values, indent=1)}".replace(
                        "\n", " "
                    )
                )

    def v2_playbook_on_no_hosts_matched(self) -> None:
        """Say that a play has no host."""
        self._screen.say("  skipped  no host matches this play", C.COLOR_SKIP)

    def v2_playbook_on_no_hosts_remaining(self) -> None:
        """Say that the play ends early."""
        if self._screen.many_hosts:
            self._screen.say("  No host is left to go on with.", C.COLOR_ERROR)

    def v2_playbook_on_vars_prompt(self, *args: Any, **kwargs: Any) -> None:
        """Leave the terminal to a question."""
        with self._screen.lock:
            self._screen.erase()

    # ---------------------------------------------------------------- tasks
    def v2_playbook_on_task_start(self, task: Task, is_conditional: bool) -> None:
        """Note a task, and end the phase before it when it begins another."""
        with self._screen.lock:
            self._record.announce(task)
            self._warn_of_deprecations(of_module(task.action))
            if self._screen.interleaved:
                return
            # All hosts are done with a task before the next one starts; a lost worker must not run for ever.
            self._screen.running.clear()
            self._screen.enter(self._record.phase_of(task), quiet=self._is_adhoc())

    def v2_playbook_on_handler_task_start(self, task: Handler) -> None:
        """Note a handler."""
        self.v2_playbook_on_task_start(task, False)

    def v2_runner_on_start(self, host: Host, task: Task) -> None:
        """Note that a task starts on a host."""
        with self._screen.lock:
            name = host.get_name()
            self._record.start(name, task)
            prompts = task.action in ("pause", "ansible.builtin.pause", "ansible.legacy.pause")
            title, phase = self._record.name_of(task), self._record.phase_of(task)
            self._screen.running.start((str(task._uuid), name), title, phase, name, prompts)
            if self._display.verbosity > 2:
                self._screen.tell(phase, "start", self._screen.owned(title, name), C.COLOR_VERBOSE)

    def v2_runner_on_ok(self, result: CallbackTaskResult) -> None:
        """Show a task that changed something, lasted long, or was asked for."""
        with self._screen.lock:
            changed = bool(result.result.get("changed"))
            include = isinstance(result.task, TaskInclude)
            record = self._finish(result, "changed" if changed and not include else "ok")
            if include:
                return
            self._tell_warnings(result)
            self._remember_address(result)
            if result.task.action in C._ACTION_DEBUG and not changed:
                self._show_debug(record, result)
                return
            if changed:
                word = "would change" if record.check_mode else "changed"
                self._show(record, word, C.COLOR_CHANGED, self._changed_items(result))
            elif self._shows_ok() or record.duration > self.get_option("slow"):
                self._show(record, "ok", C.COLOR_OK)
            self._show_result(result)
            for text in self._diffs.pop(self._key(result), []):
                self._screen.tell_block(record.phase, text)
            for line in summary_in(result.result):
                self._screen.tell(record.phase, " ", self._screen.owned(line, record.host))
            self._screen.flush()

    def v2_runner_on_failed(self, result: CallbackTaskResult, ignore_errors: bool = False) -> None:
        """Show what failed, why, on which evidence, and what to do."""
        with self._screen.lock:
            status = "ignored" if ignore_errors else "rescued" if is_rescued(result.task) else "failed"
            record = self._finish(result, status)
            self._remember_address(result)
            self._show_failure(record, result, status)

    def v2_runner_on_unreachable(self, result: CallbackTaskResult) -> None:
        """Show a host that cannot be reached."""
        with self._screen.lock:
            status = "ignored" if result.task.ignore_unreachable is True else "unreachable"
            self._show_failure(self._finish(result, status), result, status)

    def v2_runner_on_skipped(self, result: CallbackTaskResult) -> None:
        """Show a skipped task only to those who asked."""
        with self._screen.lock:
            record = self._finish(result, "skipped")
            self._tell_warnings(result)
            if self._display.verbosity > 0:
                reason = result.result.get("false_condition")
                self._show(record, "skipped", C.COLOR_SKIP, f"not {reason}" if isinstance(reason, str) else "")
                self._show_result(result)

    # ---------------------------------------------------------------- within a task
    def v2_runner_item_on_ok(self, result: CallbackTaskResult) -> None:
        """Count an item of a loop."""
        with self._screen.lock:
            self._screen.running.count(self._key(result))
            if isinstance(result.task, TaskInclude):
                return
            changed = bool(result.result.get("changed"))
            label = self._label(result)
            if result.task.action in C._ACTION_DEBUG:
                self._tell_debug(self._record.phase_of(result.task), result, result.host.get_name())
            elif self._display.verbosity > 0 or (changed and label and self.get_option("show_ok")):
                word = "ok" if not changed else "would change" if result.task.check_mode is True else "changed"
                self._show_item(result, word, C.COLOR_CHANGED if changed else C.COLOR_OK, label)
            for text in self._diffs.pop(self._key(result), []):
                self._screen.tell_block(self._record.phase_of(result.task), text)

    def v2_runner_item_on_failed(self, result: CallbackTaskResult) -> None:
        """Show a failed item in one line as soon as it failed."""
        with self._screen.lock:
            self._screen.running.count(self._key(result))
            self._tell_warnings(result)
            ignored = result.task.ignore_errors is True
            failure, label = failure_of(result.result), self._label(result)
            self._broken.setdefault(self._key(result), []).append((label, failure))
            if ignored:
                self._show_item(result, "ignored", C.COLOR_SKIP, f"{label}: {failure.brief()}")
            else:
                self._show_item(result, "failed", C.COLOR_ERROR, label)

    def v2_runner_item_on_skipped(self, result: CallbackTaskResult) -> None:
        """Show a skipped item only to those who asked."""
        with self._screen.lock:
            self._screen.running.count(self._key(result))
            if self._display.verbosity > 0:
                self._show_item(result, "skipped", C.COLOR_SKIP, self._label(result))

    def v2_runner_retry(self, result: CallbackTaskResult) -> None:
        """Note an attempt that will be repeated."""
        with self._screen.lock:
            # Ansible counts the attempt that is about to begin as made.
            left = result.result.get("retries", 0) - result.result.get("attempts", 0) + 1
            told = f"{left} attempt{'' if left == 1 else 's'} left"
            self._screen.running.note(self._key(result), told)
            if self._display.verbosity > 0:
                self._show_item(result, "retry", C.COLOR_DEBUG, f"{failure_of(result.result).brief()} {told}")

    def v2_runner_on_async_poll(self, result: CallbackTaskResult) -> None:
        """Note that a background job still runs."""
        with self._screen.lock:
            # The poll is a task of its own, so it is known by its host only.
            host = result.host.get_name()
            for running in self._screen.running:
                if running.host == host:
                    running.note = "in the background"
                    if self._display.verbosity > 1:
                        job = result.result.get("ansible_job_id")
                        self._screen.tell(
                            running.phase, "poll", f"{self._screen.owned(running.name, host)}: job {job}", C.COLOR_DEBUG
                        )

    def v2_on_file_diff(self, result: CallbackTaskResult) -> None:
        """Keep a diff until the line of its task is shown."""
        with self._screen.lock:
            found = result.result
            parts = found.get("results") if result.task.loop and "results" in found else [found]
            for part in parts or []:
                if isinstance(part, dict) and part.get("diff") and part.get("changed"):
                    text = self._get_diff(part["diff"])
                    if text:
                        # Items send theirs themselves; the loop's own result repeats them.
                        self._diffs.setdefault(self._key(result), []).append(text)

    def v2_playbook_on_include(self, included_file: IncludedFile) -> None:
        """Show an included file only to those who asked."""
        if self._display.verbosity > 0:
            hosts = ", ".join(host.name for host in included_file._hosts)
            self._screen.tell(
                self._screen.phase,
                "included",
                f"{self._short_path(included_file._filename)} for {hosts}",
                C.COLOR_INCLUDED,
            )

    def v2_playbook_on_notify(self, handler: Handler, host: Host) -> None:
        """Show a notified handler to those who asked for details."""
        if self._display.verbosity > 1:
            self._screen.tell(
                self._screen.phase,
                "notified",
                f"{imperative(handler.get_name())} for {host.get_name()}",
                C.COLOR_VERBOSE,
            )

    # ---------------------------------------------------------------- lines
    def _show(self, record: TaskRecord, word: str, colour: str, note: str = "") -> None:
        text = self._screen.owned(record.name, record.host)
        if record.duration >= 0.95:
            text += f" ({duration(record.duration)})"
        if note:
            text += f": {note}"
        self._screen.tell(record.phase, word, text, colour)
        failed = word in ("FAILED", "UNREACHABLE")
        if record.path and self._display.verbosity > (0 if failed else 1):
            self._screen.say(f"           {self._short_path(record.path)}", C.COLOR_DEBUG)

    def _show_item(self, result: CallbackTaskResult, word: str, colour: str, text: str) -> None:
        name = self._screen.owned(self._record.name_of(result.task), result.host.get_name())
        self._screen.tell(self._record.phase_of(result.task), word, f"{name}: {text}", colour)
        if word != "retry":
            self._show_result(result)

    def _show_failure(self, record: TaskRecord, result: CallbackTaskResult, status: str) -> None:
        """Show in one line that a task failed. Why is told at the end, but of what is ignored there is no more to tell."""
        broken = self._broken.pop(self._key(result), [])
        items = result.result.get("results")
        total = len(items) if isinstance(items, list) else 0
        self._tell_warnings(result)
        self._diffs.pop(self._key(result), None)
        failure = with_items(failure_of(result.result), broken, total)
        if status == "ignored":
            # The items have told their causes in lines of their own.
            note = f"{len(broken)} of {total} items failed" if broken else failure.brief()
            self._show(record, "ignored", C.COLOR_SKIP, f"failed, and the run goes on: {note}")
        elif status == "rescued":
            self._failures.rescued(record, failure)
            self._show(record, "FAILED", C.COLOR_ERROR, "the run goes on with its rescue tasks")
        else:
            self._fail(record, result, failure)
        if self._display.verbosity > 1:
            self._handle_exception(result.result)
        self._show_result(result)
        self._screen.flush()

    def _fail(self, record: TaskRecord, result: CallbackTaskResult, failure: Failure) -> None:
        """Note a failure that ends the run on a host, and show which task it was."""
        rescue = in_rescue(result.task)
        verdict = rescue and is_verdict(record, result.result)
        if self._is_adhoc():
            self._show(record, "UNREACHABLE" if record.status == "unreachable" else "FAILED", C.COLOR_ERROR)
            self._tell_cause(Cause(record, failure, [record.host]), last=True)
            return
        self._failures.failed(record, failure, rescue, verdict)
        if not verdict or self._display.verbosity > 0:
            self._show(record, "UNREACHABLE" if record.status == "unreachable" else "FAILED", C.COLOR_ERROR)

    def _show_debug(self, record: TaskRecord, result: CallbackTaskResult) -> None:
        if "results" not in result.result:
            self._tell_debug(record.phase, result, record.host)
        self._screen.flush()

    def _tell_debug(self, phase: str, result: CallbackTaskResult, host: str) -> None:
        """Show what a debug task is there to show: its message or its variable."""
        found = result.result
        if "censored" in found:
            return
        self._clean_results(found, result.task.action)
        if "msg" in found:
            shown = found["msg"]
        else:
            names = [
                key
                for key in found
                if not key.startswith("_ansible") and key not in ("item", "ansible_loop_var", "changed")
            ]
            shown = {key: found[key] for key in names}
        if isinstance(shown, (list, tuple)) and all(isinstance(item, str) for item in shown):
            shown = "\n".join(shown)
        text = (
            shown
            if isinstance(shown, str)
            else self._dump_results({"msg": shown} if not isinstance(shown, dict) else shown, indent=2)
        )
        for line in outside(text).strip("\n").splitlines() or [""]:
            self._screen.tell(phase, " ", self._screen.owned(line, host))

    def _show_result(self, result: CallbackTaskResult) -> None:
        wants = self._display.verbosity > 1 or self._is_adhoc()
        if wants and not result.result.get("_ansible_verbose_override") and "results" not in result.result:
            self._clean_results(result.result, result.task.action)
            self._screen.say(textwrap.indent(self._dump_results(result.result, indent=2).strip("\n"), "      "))

    def _tell_warnings(self, result: CallbackTaskResult) -> None:
        """Show a task's warnings, and what it uses of this collection that is deprecated."""
        self._warn_of_deprecations(of_options(str(result.task.resolved_action), result.result))
        self._handle_warnings(result.result)

    def _warn_of_deprecations(self, messages: list[str]) -> None:
        # Where Ansible shows deprecations, it shows these too.
        for message in messages if not C.DEPRECATION_WARNINGS else ():
            self._display.warning(message)

    # ---------------------------------------------------------------- small questions
    def _finish(self, result: CallbackTaskResult, status: str) -> TaskRecord:
        self._screen.running.end(self._key(result))
        return self._record.finish(result.host.get_name(), result.task, status)

    @staticmethod
    def _key(result: CallbackTaskResult) -> tuple[str, str]:
        return str(result.task._uuid), result.host.get_name()

    def _label(self, result: CallbackTaskResult) -> str:
        label = self._get_item_label(result.result)
        if isinstance(label, dict):
            # A whole dictionary is no label; most of ours carry a name.
            label = label.get("name") or label.get("key") or label
        text = " ".join(outside(str(label)).split())
        return text if len(text) <= 60 else text[:57] + "..."

    def _changed_items(self, result: CallbackTaskResult) -> str:
        items = result.result.get("results")
        if not isinstance(items, list):
            return ""
        changed = [one for one in items if isinstance(one, dict) and one.get("changed")]
        return f"{len(changed)} of {len(items)}" if changed and len(items) > 1 else ""

    def _remember_address(self, result: CallbackTaskResult) -> None:
        address = address_in(result.result)
        if address:
            self._addresses[result.host.get_name()] = address

    def _shows_ok(self) -> bool:
        return bool(self.get_option("show_ok")) or self._display.verbosity > 0 or self._is_adhoc()

    @staticmethod
    def _is_adhoc() -> bool:
        return "module_name" in context.CLIARGS

    @staticmethod
    def _short_path(path: str) -> str:
        """Return a path relative to the working directory when it lies below it."""
        here = os.getcwd().rstrip("/") + "/"
        return path.removeprefix(here)
