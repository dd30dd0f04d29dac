# Copyright: (c) 2026, Slipway contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Run Helm and watch what it waits for. Private to the collection.

Helm waits for a hook until its own timeout and then says only that it timed out.
"""

from __future__ import annotations

import re
import subprocess
import tempfile
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

from ansible_collections.slipway.kube.plugins.module_utils._helm.values import values_text
from ansible_collections.slipway.kube.plugins.module_utils._kube.api import KubernetesError
from ansible_collections.slipway.kube.plugins.module_utils._rollout.codes import Finding

# Helm writes down that the release failed when it is asked to end; this long it gets for that.
_PATIENCE = 20.0


class Process(Protocol):
    """A program at work, as of the standard library."""

    def poll(self) -> int | None: ...

    def wait(self, timeout: float | None = None) -> int: ...

    def terminate(self) -> None: ...

    def kill(self) -> None: ...


class HookWatcher(Protocol):
    """What watches beside Helm."""

    def begin(self) -> None: ...

    def step(self) -> Finding | None: ...

    def explain(self, finding: Finding) -> dict[str, Any]: ...


@dataclass(frozen=True)
class HelmResult:
    """How Helm ended: its exit code, its errors, and why it failed where that is known.

    C(stopped) says that it was ended because what it waited for could not come.
    """

    code: int
    errors: str
    diagnosis: dict[str, Any] | None
    stopped: bool


def upgrade_command(
    program: str,
    name: str,
    namespace: str,
    chart: str,
    timeout: int,
    history_max: int,
    kubeconfig: str | None,
    context: str | None,
) -> list[str]:
    """Return the command that installs or upgrades a release and takes its values from standard input."""
    command = [program, "upgrade", name, chart, "--install", "--reset-values", "--values", "-"]
    command += ["--namespace", namespace, "--timeout", f"{timeout}s", "--history-max", str(history_max)]
    if kubeconfig:
        command += ["--kubeconfig", kubeconfig]
    if context:
        command += ["--kube-context", context]
    return command


def by_server(run_command: Callable[..., tuple[int, str, str]], program: str, recorded: bool) -> bool:
    """Tell whether Helm will write by server-side apply: Helm 3 never does, and Helm 4 does what it did before, as C(recorded).

    C(run_command) is AnsibleModule.run_command. Raises ValueError when the program does not tell its version.
    """
    if not recorded:
        return False
    code, output, _errors = run_command([program, "version", "--template", "{{.Version}}"])
    found = re.match(r"v(\d+)\.", output)
    if code or not found:
        raise ValueError(f"{program} does not tell its version. Correct binary_path, or install Helm.")
    return int(found[1]) >= 4


def run(
    command: Sequence[str],
    values: Mapping[str, Any],
    watcher: HookWatcher,
    interval: float = 1.0,
    lost: Callable[[], str] = lambda: "",
) -> HelmResult:
    """Run Helm with its values on standard input, where no other process can read them, and watch beside it.

    Helm is killed when C(lost) says that the run has lost its lease: asked to end, it would still write.

    Raises OSError when the program cannot be started and KubernetesError when the cluster does not answer before that.
    """
    watcher.begin()
    with tempfile.TemporaryFile() as errors, tempfile.TemporaryFile() as text:
        text.write(values_text(values).encode())
        text.seek(0)
        process = subprocess.Popen(command, stdin=text, stdout=subprocess.DEVNULL, stderr=errors)
        try:
            diagnosis = watch(process, watcher, interval, lost)
        except BaseException:
            process.terminate()
            raise
        stopped = diagnosis is not None
        code = end(process) if stopped else process.wait()
        errors.seek(0)
        said = errors.read().decode("utf-8", "replace")
    if code and diagnosis is None:
        diagnosis = _look(watcher)
    return HelmResult(code, said, diagnosis if code else None, stopped and code != 0)


def watch(
    process: Process, watcher: HookWatcher, interval: float, lost: Callable[[], str] = lambda: ""
) -> dict[str, Any] | None:
    """Watch until Helm ends by itself or is killed because the lease is lost, or return why what it waits for cannot come."""
    while process.poll() is None:
        if lost():
            process.kill()
            break
        diagnosis = _look(watcher)
        if diagnosis:
            return diagnosis
        try:
            process.wait(interval)
        except subprocess.TimeoutExpired:
            continue
    return None


def end(process: Process) -> int:
    """Ask Helm to end and return its exit code; by force when it does not, which leaves the release pending."""
    process.terminate()
    try:
        return process.wait(_PATIENCE)
    except subprocess.TimeoutExpired:
        process.kill()
        return process.wait()


def _look(watcher: HookWatcher) -> dict[str, Any] | None:
    try:
        finding = watcher.step()
        return watcher.explain(finding) if finding else None
    except KubernetesError:
        return None  # Helm meets the same cluster and says so itself


def error_lines(errors: str, most: int = 8) -> list[str]:
    """Return what Helm says is wrong, of what may be shown: the lines that its libraries log beside it begin with a level or a date."""
    lines = [" ".join(line.split()) for line in errors.splitlines()]
    told = [line for line in lines if line and not line.startswith(("level=", "time=", "WARNING", "I1", "W1", "E1"))]
    return [line[:400] for line in told[-most:]]
