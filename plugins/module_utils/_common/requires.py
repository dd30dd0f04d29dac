# Copyright: (c) 2026, Slipway contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Libraries that a module needs and a machine's Python may lack. Private to the collection.

Code imports them where it can, and the module that runs it asks here first, so that what lacks is said in a sentence.
"""

from __future__ import annotations

import importlib.util

from ansible.module_utils.basic import AnsibleModule, missing_required_lib

_PACKAGES = {"yaml": "PyYAML"}


def require(module: AnsibleModule, *libraries: str) -> None:
    """End the module with a sentence when a library is not there."""
    for name in libraries:
        if importlib.util.find_spec(name) is None:
            module.fail_json(msg=missing_required_lib(_PACKAGES.get(name, name)))
