#!/usr/bin/python

# Copyright: (c) 2026, Slipway contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: helm_upgrade
short_description: Install or upgrade a Helm release, and stop as soon as a hook cannot succeed
version_added: 0.2.0
author:
  - Slipway contributors (@slipway)
description:
  - Runs C(helm upgrade --install), which waits only for hooks, such as a migration Job.
  - While Helm waits, watches its hooks, and watches the changed workloads for problems that no hook can fix, such as a missing
    image. If the upgrade cannot succeed, stops Helm, which marks the revision as failed, and fails with the cause, the last log
    lines and events instead of a timeout.
  - Looks at the objects first. What the API server would refuse is refused before anything changes, and fields that people have changed
    with C(kubectl) are handed to Helm, which would fail otherwise.
  - Ignores hooks that an earlier attempt left behind.
  - Passes the values to Helm on standard input, so that they appear in no file and on no command line.
  - The namespace must exist.
requirements:
  - helm 3.12 or newer
extends_documentation_fragment:
  - slipway.kube.attributes
  - slipway.kube.chart_snapshot
  - slipway.kube.kubernetes
  - slipway.kube.permissions
  - slipway.kube.permissions.upgrade
  - slipway.kube.release
attributes:
  check_mode:
    support: partial
    details: Returns that the release would change. Use M(slipway.kube.helm_history_info) to find out whether it needs to.
  diff_mode:
    support: none
    details: Use M(slipway.kube.helm_diff).
  idempotent:
    support: none
    details: Every run creates a revision. Use M(slipway.kube.helm_history_info) first.
options:
  chart:
    description: Directory of the chart. The module adds its C(file://) dependencies to a copy; it does not change the
      directory.
    type: path
    required: true
  values:
    description: Values of the release, which override those of the chart.
    type: dict
    default: {}
  timeout:
    description: Timeout for one hook, in seconds.
    type: int
    default: 300
  history_max:
    description: How many revisions Helm keeps; V(0) keeps all.
    type: int
    default: 10
  heal_period:
    description: As for M(slipway.kube.rollout_status).
    type: float
    default: 10.0
  crash_restarts:
    description: As for M(slipway.kube.rollout_status).
    type: int
    default: 1
  log_lines:
    description: How many of a hook's last log lines to return.
    type: int
    default: 8
  binary_path:
    description: Path of helm; by default the one on PATH.
    type: path
seealso:
  - module: slipway.kube.rollout_status
  - module: slipway.kube.helm_rollback
"""

EXAMPLES = r"""
- name: Deploy the application, with its migrations in a hook
  slipway.kube.helm_upgrade:
    name: todo
    namespace: todo
    chart: charts/todo-app
    values:
      backend:
        image:
          tag: sha-9333a60a64ac23cd
    timeout: 300
    context: slipway
"""

RETURN = r"""
revision:
  description: Number of the newest revision; 0 if there is none.
  returned: when not in check mode
  type: int
  sample: 4
status:
  description: Status of that revision.
  returned: when not in check mode
  type: str
  sample: deployed
seconds:
  description: How long Helm ran.
  returned: when not in check mode
  type: float
  sample: 2.4
notes:
  description: What was done besides the work of Helm, a sentence each.
  returned: when not in check mode
  type: list
  elements: str
  sample: ['Took back ConfigMap/todo-backend-config: data.LOG_LEVEL is "error" instead of "info" (by kubectl-patch, 2026-11-30T12:00:00Z).']
stopped:
  description: Whether Helm was stopped because the upgrade could not succeed.
  returned: when not in check mode
  type: bool
diagnosis:
  description: The cause of the failure, as in M(slipway.kube.rollout_status); null if it is unknown or nothing failed.
  returned: when not in check mode
  type: dict
  sample: {code: job_failed, cause: Job todo-backend-migration failed., object: Job/todo-backend-migration, namespace: todo}
"""

import time
from functools import partial
from pathlib import Path
from typing import Any

from ansible.module_utils.basic import AnsibleModule, missing_required_lib
from ansible_collections.slipway.kube.plugins.module_utils._common.masker import Masker
from ansible_collections.slipway.kube.plugins.module_utils._common.redaction import sensitive_values
from ansible_collections.slipway.kube.plugins.module_utils._common.requires import require
from ansible_collections.slipway.kube.plugins.module_utils._helm import preparation, releases, rendering, upgrade
from ansible_collections.slipway.kube.plugins.module_utils._helm.charts import ChartError, complete
from ansible_collections.slipway.kube.plugins.module_utils._kube import client, heartbeat, module_base
from ansible_collections.slipway.kube.plugins.module_utils._rollout.watcher import (
    Options,
    Watcher,
    message,
    unreachable,
)


def newest(cluster: client.KubernetesClient, namespace: str, name: str) -> tuple[int, str]:
    """Return number and status of a release's newest revision."""
    query = {"fieldSelector": f"type={releases.TYPE}", "labelSelector": f"owner=helm,name={name}"}
    found = releases.group(cluster.items(f"/api/v1/namespaces/{namespace}/secrets", **query)).get(name)
    return (releases.revision_of(found[-1]), releases.status_of(found[-1])) if found else (0, "unknown")


def prepare(module: AnsibleModule, cluster: client.KubernetesClient, program: str, chart: str) -> list[str]:
    """Make the way for Helm, and return what was done. Raises RefusedError before anything changes, KubernetesError and ValueError."""
    fields = module.params
    run = partial(module.run_command, handle_exceptions=False)
    found = releases.in_service(cluster, fields["namespace"], fields["name"])
    # A template knows only the version that Helm was built for.
    version = "" if found.is_newest else str(cluster.request("GET", "/version").get("gitVersion") or "")
    rendered = rendering.render(run, program, chart, fields, found.is_newest, version)
    by_server = upgrade.by_server(run, program, found.by_server)
    permissions = preparation.permissions_of(fields)
    preparer = preparation.Preparer(cluster, fields["name"], fields["namespace"], permissions, by_server)
    plan = preparer.find_out(found.manifest, rendered)
    preparer.apply(plan)
    return plan.notes()


def main() -> None:
    """Run the module."""
    module = AnsibleModule(
        argument_spec={
            "chart": {"type": "path", "required": True},
            "chart_digest": {"type": "str"},
            "chart_snapshot": {"type": "path"},
            "values": {"type": "dict", "default": {}},
            "timeout": {"type": "int", "default": 300},
            "history_max": {"type": "int", "default": 10},
            "heal_period": {"type": "float", "default": 10.0},
            "crash_restarts": {"type": "int", "default": 1},
            "log_lines": {"type": "int", "default": 8},
            "binary_path": {"type": "path"},
            **preparation.UPGRADE_PERMISSIONS,
            **module_base.RELEASE,
            **module_base.ARGUMENTS,
        },
        supports_check_mode=True,
    )
    if not client.HAS_KUBERNETES:
        module.fail_json(msg=missing_required_lib("kubernetes"))
    require(module, "yaml")
    fields = module.params
    if module.check_mode:
        module.exit_json(changed=True)
    module_base.stop_if_lost(module)
    name, namespace = fields["name"], fields["namespace"]
    program = fields["binary_path"] or module.get_bin_path("helm", required=True)
    options = Options(
        heal=fields["heal_period"],
        crash_restarts=fields["crash_restarts"],
        log_lines=fields["log_lines"],
        hooks=True,
        routes=False,
    )
    masker = Masker(sensitive_values(None, fields["values"]))
    started = time.monotonic()
    try:
        with (
            client.KubernetesClient(fields["kubeconfig"], fields["context"]) as cluster,
            complete(
                Path(fields["chart"]), module.tmpdir, fields["chart_digest"] or "", fields["chart_snapshot"] or ""
            ) as chart,
        ):
            notes = prepare(module, cluster, program, str(chart))
            watcher = Watcher(cluster, [(namespace, name)], options, masker=masker)
            command = upgrade.upgrade_command(
                program,
                name,
                namespace,
                str(chart),
                fields["timeout"],
                fields["history_max"],
                fields["kubeconfig"],
                fields["context"],
            )
            ended = upgrade.run(command, fields["values"], watcher, lost=heartbeat.lost_by_environment)
            seconds = round(time.monotonic() - started, 2)
            revision, status = newest(cluster, namespace, name)
    except preparation.RefusedError as error:
        module.fail_json(msg=str(error), **error.result)
    except client.KubernetesError as error:
        diagnosis = unreachable(error)
        module.fail_json(msg=message(diagnosis), diagnosis=diagnosis)
    except ChartError as error:
        module.fail_json(msg=f"{error}.")
    except ValueError as error:
        module.fail_json(msg=str(error))
    except OSError as error:
        module.fail_json(msg=f"{program} cannot be started: {error.strerror}. Correct binary_path, or install Helm.")
    for warning in watcher.warnings:
        module.warn(warning)
    result: dict[str, Any] = {
        "revision": revision,
        "status": status,
        "seconds": seconds,
        "notes": notes,
        "stopped": ended.stopped,
        "diagnosis": ended.diagnosis,
    }
    if ended.code == 0:
        module.exit_json(changed=True, **result)
    module_base.stop_if_lost(module, changed=True)
    said = upgrade.error_lines(masker.outside(ended.errors)) or [f"Helm ended with exit code {ended.code}."]
    words = message(ended.diagnosis) if ended.diagnosis else "\n".join(said)
    module.fail_json(
        changed=True,
        rc=ended.code,
        stderr_lines=said,
        msg=f"{words}\nHelm: release {name}, revision {revision}, is {status}.",
        **result,
    )


if __name__ == "__main__":
    main()
