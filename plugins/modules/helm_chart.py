#!/usr/bin/python

# Copyright: (c) 2026, Slipway contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: helm_chart
short_description: Assemble a chart with its local dependencies outside of the checkout
version_added: 0.1.0
author:
  - Slipway contributors (@slipway)
description:
  - Copies a chart and, into its C(charts) directory, its C(file://) dependencies, so that Helm finds them without
    C(helm dependency build) writing into the chart's own directory.
  - The copy is kept under the chart's digest and used again as long as nothing changes.
requirements:
  - python >= 3.11
  - PyYAML
extends_documentation_fragment:
  - slipway.kube.attributes
attributes:
  check_mode:
    support: full
  diff_mode:
    support: none
    details: The copy follows from the chart.
  idempotent:
    support: full
options:
  chart:
    description: Directory of the chart.
    type: path
    required: true
  cache_dir:
    description: Directory of the copies.
    type: path
    default: ~/.cache/slipway/charts
"""

EXAMPLES = r"""
- name: Assemble the chart
  slipway.kube.helm_chart:
    chart: charts/todo-app
  register: chart
"""

RETURN = r"""
path:
  description: Directory of the complete chart.
  returned: success
  type: str
  sample: /home/ada/.cache/slipway/charts/9f8e7d6c5b4a39281706f5e4d3c2b1a0/todo-app
digest:
  description: The sha256 over the files of the chart and of its local dependencies.
  returned: success
  type: str
  sample: 9f8e7d6c5b4a39281706f5e4d3c2b1a09f8e7d6c5b4a39281706f5e4d3c2b1a0
"""

import shutil
import tempfile
from pathlib import Path

from ansible.module_utils.basic import AnsibleModule
from ansible_collections.slipway.kube.plugins.module_utils._chart import ChartError, assemble, digest_chart
from ansible_collections.slipway.kube.plugins.module_utils._requires import require


def keep(chart: Path, target: Path) -> None:
    """Assemble the chart at its place in one step, so that two runs at once do not see half of it."""
    target.parent.parent.mkdir(parents=True, exist_ok=True)
    work = Path(tempfile.mkdtemp(prefix=".assembling-", dir=target.parent.parent))
    try:
        assemble(chart, work / target.name)
        work.chmod(0o755)
        try:
            work.rename(target.parent)
        except OSError:
            if not target.is_dir():  # otherwise another run was faster
                raise
    finally:
        shutil.rmtree(work, ignore_errors=True)


def main() -> None:
    """Run the module."""
    module = AnsibleModule(
        argument_spec={
            "chart": {"type": "path", "required": True},
            "cache_dir": {"type": "path", "default": "~/.cache/slipway/charts"},
        },
        supports_check_mode=True,
    )
    require(module, "yaml")
    chart = Path(module.params["chart"]).resolve()
    try:
        digest = digest_chart(chart)
        target = Path(module.params["cache_dir"]) / digest[:32] / chart.name
        changed = not target.is_dir()
        if changed and not module.check_mode:
            keep(chart, target)
    except ChartError as error:
        module.fail_json(msg=f"{error}.")
    except OSError as error:
        module.fail_json(
            msg=f"The chart could not be copied: {error}. Check the permissions and the space of cache_dir."
        )
    module.exit_json(changed=changed, path=str(target), digest=digest)


if __name__ == "__main__":
    main()
