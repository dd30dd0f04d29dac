# Copyright: (c) 2026, Slipway contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The manifest that Helm would write, without writing it. Private to the collection."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from typing import Any

from ansible_collections.slipway.kube.plugins.module_utils._common.masker import Masker
from ansible_collections.slipway.kube.plugins.module_utils._common.redaction import sensitive_values
from ansible_collections.slipway.kube.plugins.module_utils._helm.values import values_text

# What Helm says of an object that exists already.
_FOREIGN = "cannot be imported into the current release"
Run = Callable[..., tuple[int, str, str]]


def render(run: Run, program: str, chart: str, options: Mapping[str, Any], upgrade: bool, version: str) -> str:
    """Return the manifest of a release, by a dry run of Helm, or by the template alone where there is nothing to upgrade.

    C(run) is AnsibleModule.run_command, C(options) have name, namespace, values, kubeconfig and context. C(version) is that of the
    cluster, empty without one: a template knows only the version that Helm was built for. Raises ValueError when Helm refuses.
    """
    words = ["upgrade", "--dry-run=server", "--output", "json"] if upgrade else ["template"]
    command = [program, *words, options["name"], chart, "--namespace", options["namespace"], "--values", "-"]
    if version and not upgrade:
        command += ["--kube-version", version]
    if upgrade:
        command += ["--kubeconfig", options["kubeconfig"]] if options["kubeconfig"] else []
        command += ["--kube-context", options["context"]] if options["context"] else []
    # The values go by standard input: a command line can be read by everybody.
    text = values_text(options["values"])
    code, output, errors = run(command, data=text)
    if code and upgrade and _FOREIGN in errors:
        # Who owns what is looked at with more care afterwards. A dry run takes nothing.
        code, output, errors = run([*command, "--take-ownership"], data=text)
    if code:
        said = Masker(sensitive_values(None, options["values"])).outside(errors)
        raise ValueError(
            f"Helm rejected release {options['name']}: {' '.join(said.split())[-600:]}. Correct its values or the chart."
        )
    return str(json.loads(output).get("manifest") or "") if upgrade else str(output)
