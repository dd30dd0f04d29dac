# Copyright: (c) 2026, Slipway contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The module minikube_image, with its progress shown while it runs."""

from __future__ import annotations

from ansible_collections.slipway.kube.plugins.plugin_utils._progress import ProgressAction


class ActionModule(ProgressAction):
    """See the module's documentation; nothing is added to its options."""

    module = "slipway.kube.minikube_image"
