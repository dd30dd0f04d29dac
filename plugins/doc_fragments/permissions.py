# Copyright: (c) 2026, Slipway contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What may be done to objects that are not as Helm left them: the options that ``_helm.preparation`` declares."""

from __future__ import annotations


class ModuleDocFragment:
    """``slipway.kube.permissions``, and ``slipway.kube.permissions.upgrade`` for what changes a release."""

    DOCUMENTATION = r"""
options:
  conflicts:
    description:
      - Whether fields that the release declares and that people have changed with C(kubectl) or a similar program are taken back (V(take)),
        or the module fails before it changes anything (V(fail)).
      - Fields of an autoscaler of the release, and of controllers, are never taken.
    type: str
    choices: [take, fail]
    default: take
    version_added: 0.3.0
  recreate:
    description: Objects, as C(Kind/name), that may be deleted and created again if a field changes that Kubernetes does not let change.
      Volume claims, namespaces and custom resource definitions are never deleted.
    type: list
    elements: str
    default: []
    version_added: 0.3.0
"""

    UPGRADE = r"""
options:
  drift:
    description: Whether fields that people have added to the objects of the release, and that it does not declare, are removed (V(repair)).
    type: str
    choices: [repair, report, ignore]
    default: repair
    version_added: 0.3.0
  adopt_objects:
    description: Objects, as C(Kind/name), that may become part of the release although they exist already and belong to no release.
    type: list
    elements: str
    default: []
    version_added: 0.3.0
"""
