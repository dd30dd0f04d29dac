# Copyright: (c) 2026, Slipway contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Why a deploy failed, and what is in service after it. Private to the collection.

The module ``deploy_failure`` fails with these facts in its result, under ``slipway_failure``, for a callback to show:

- ``task`` (str): name of the task that failed.
- ``code`` (str): of the closed list of rollouts or of checks; empty where the cause has none.
- ``cause`` (str): what is wrong, in one line.
- ``suggestion`` (str): what to do; empty where the cause says it.
- ``evidence`` (list of str): at most EVIDENCE lines, such as ``Log: ...``, ``Event: ...`` or one for each check that failed.
- ``in_service`` (str): sentences that say what was taken back and what serves now.

Where the report of the run lies, the callback knows itself.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

from ansible_collections.slipway.kube.plugins.plugin_utils._known_values import outside, outside_lines

EVIDENCE = 9  # lines
LOG = 4  # lines of a container's log that explain another task's failure
SUGGESTION = "What to do: "
REASON = 300  # characters that fit into Helm's description of a revision
# That nothing is there or ready yet explains nothing, and a cluster that is away has been named already.
EXPLAINS_NOTHING = ("deadline_passed", "workloads_missing", "cluster_unreachable")
LEASE_LOST = "Nothing was taken back: what is in service is up to the run that holds the lease now, or to the next one."
# What Helm's libraries log beside its error begins with a level, in one of two forms.
_LOGGED = re.compile(r"level=|[IWEF][0-9]{4} ")

Result = Mapping[str, Any]


@dataclass(frozen=True)
class Failure:
    """Why a deploy failed; the fields are those of ``slipway_failure`` but for ``in_service``."""

    task: str
    code: str
    cause: str
    suggestion: str
    evidence: tuple[str, ...]

    @property
    def headline(self) -> str:
        """Code and cause in one line."""
        return f"{self.code}: {self.cause}" if self.code else self.cause

    @property
    def reason(self) -> str:
        """The headline, as short as Helm's description of a revision must be."""
        return self.headline[:REASON]

    def as_dict(self) -> dict[str, Any]:
        """Return the fields as a module returns them."""
        return {**asdict(self), "evidence": list(self.evidence)}


def failed_part(result: Result) -> Result:
    """Return the result of a loop's first failed item, of every other task the result itself."""
    items = result.get("results")
    if isinstance(items, Sequence) and not isinstance(items, str):
        for item in items:
            if isinstance(item, Mapping) and item.get("failed") and item.get("msg"):
                return item
    return result


def needs_look(action: str, result: Result) -> bool:
    """Tell whether the state of the workloads may say why a task failed.

    A rollout that was watched has its diagnosis already, and what another deploy is at is no reason why this one failed.
    """
    return not _diagnosis(failed_part(result)) and "deploy_lease" not in action


def lost_lease(result: Result) -> bool:
    """Tell whether a task failed because its run has lost the deploy lease."""
    return bool(failed_part(result).get("lease_lost"))


def is_of_helm(action: str) -> bool:
    """Tell whether a task ran Helm. A hook that failed earlier keeps its Job, and explains nothing but a failure of Helm."""
    return "helm" in action


def explain(task: str, result: Result, look: Result) -> Failure:
    """Return why a task failed, from its result and from what rollout_status says of the workloads, which may be empty."""
    failed = failed_part(result)
    lines = _lines(str(failed.get("msg") or "a task failed without a message"))
    own, seen = _diagnosis(failed), _diagnosis(look)
    if own:
        told = (f"{own['code']}: {own['cause']}", f"{SUGGESTION}{own.get('suggestion')}")
        return _failure(task, own, [line for line in lines if line not in told])
    if seen and seen["code"] not in EXPLAINS_NOTHING:
        log = [f"Log: {line}" for line in list(seen.get("log") or [])[-LOG:]]
        return _failure(task, seen, log + lines)
    suggestion, rest = _suggestion(lines[1:])
    found = {"code": _check_code(failed), "cause": lines[0] if lines else "The deploy failed", "suggestion": suggestion}
    return _failure(task, found, rest)


def in_service(
    transaction: Mapping[str, int], rolled_back: Sequence[Result], restored: Result, health: Result, removed: bool
) -> str:
    """Say what was taken back and what serves now.

    ``transaction`` are the revisions in service before, 0 for a first installation; ``rolled_back`` the results of helm_rollback;
    ``restored`` what rollout_status says of the earlier version, and ``health`` what its checks say. ``removed`` tells whether
    what had been installed for the first time is gone.
    """
    first = any(revision == 0 for revision in transaction.values())
    said = []
    if rolled_back:
        said.append(f"Returned to the earlier version of {_returned(rolled_back)}, which {_serves(restored, health)}.")
    elif not first:
        said.append("Nothing had been changed that could be taken back.")
    if first and removed:
        said.append("What was installed for the first time has been removed.")
    elif first:
        said.append("What a first installation has left is not removed, so that it can be looked at.")
    return " ".join(said)


def message(failure: Mapping[str, Any]) -> str:
    """Return the facts of ``slipway_failure`` as a text of at most EVIDENCE + 3 lines."""
    headline = f"{failure['code']}: {failure['cause']}" if failure["code"] else str(failure["cause"])
    lines = [headline if headline.endswith((".", ":")) else f"{headline}.", *failure["evidence"]]
    if failure["suggestion"]:
        lines.append(SUGGESTION + failure["suggestion"])
    return "\n".join([*lines, failure["in_service"]])


def _failure(task: str, found: Result, evidence: Sequence[str]) -> Failure:
    # Here, because the reason is also written into Helm's record of the revision.
    cause, suggestion = (outside(str(text)) for text in (found["cause"], found.get("suggestion") or ""))
    lines = outside_lines(map(str, evidence))
    return Failure(task, str(found["code"]), cause, suggestion, tuple(lines[:EVIDENCE]))


def _diagnosis(result: Result) -> Result:
    """Return the diagnosis that a result holds, empty when there is none."""
    found = result.get("diagnosis")
    return found if isinstance(found, Mapping) and found.get("code") and found.get("cause") else {}


def _lines(message: str) -> list[str]:
    """Return the lines of a message that count; Helm's begins with what it did, and its error comes after that."""
    _did, _mark, error = message.partition("stderr: ")
    lines = [line.rstrip() for line in (error or message).splitlines()]
    return [line for line in lines if line and not _LOGGED.match(line)]


def _suggestion(lines: Sequence[str]) -> tuple[str, list[str]]:
    """Take the suggestion out of lines that hold just one; others stay beside what they belong to."""
    found = [line for line in lines if line.lstrip().startswith(SUGGESTION)]
    if len(found) != 1:
        return "", list(lines)
    return found[0].lstrip()[len(SUGGESTION) :], [line for line in lines if line != found[0]]


def _check_code(result: Result) -> str:
    """Return the code of the only check that failed, empty for several and for what is no check."""
    checks = [one for one in result.get("checks") or [] if isinstance(one, Mapping) and one.get("state") == "unhealthy"]
    if len(checks) != 1:
        return ""
    told = checks[0].get("diagnosis") or checks[0].get("last_error") or {}
    return str(told.get("code") or "")


def _returned(rolled_back: Sequence[Result]) -> str:
    return ", ".join(
        f"{one['item']['name']} (revision {one['from_revision']} has failed, revision {one['returned_to']} is back as "
        f"revision {one['revision']})"
        for one in rolled_back
    )


def _serves(restored: Result, health: Result) -> str:
    if not restored.get("ready"):
        cause = str(_diagnosis(restored).get("cause", ""))
        return f"is not ready either: {cause}".rstrip(".: ")
    told = " ".join(str(health.get("msg", "")).splitlines()[:2]).rstrip(".")
    if health.get("failed") and "healthy" not in health:
        return f"is in service, but could not be asked: {told}"
    if not health.get("healthy", True):
        return f"is in service, but not healthy: {told}"
    count = len(health.get("checks") or [])
    passes = f" and passes its {count} check{'' if count == 1 else 's'}" if count else ""
    left_out = ", ".join(health.get("left_out") or [])
    # Nobody knows what these expect of that version.
    return f"is in service{passes}{f' (skipped: {left_out})' if left_out else ''}"
