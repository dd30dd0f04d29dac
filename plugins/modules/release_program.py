#!/usr/bin/python
# Copyright: (c) 2026, Slipway contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

DOCUMENTATION = r"""
module: release_program
short_description: Ensure that a program of an official release is present, with a verified SHA-256
version_added: 0.1.0
author: Slipway contributors (@slipway)
description:
  - Downloads a program, or an archive that contains it, and uses it only if its SHA-256 matches the publisher's or the pinned
    one.
  - Keeps a receipt with the checksum next to the file. A file that matches its receipt needs no network, so the mirror is no longer
    needed afterwards.
options:
  url:
    description: URL of the program or the archive.
    type: str
    required: true
  path:
    description: Path of the download. Use a different path for each version.
    type: path
    required: true
  sum_url:
    description: URL of the publisher's checksum file, either one bare checksum or lines of checksum and name.
    type: str
    default: ""
  sha256:
    description: Required SHA-256 of the download. If set, O(sum_url) is not used.
    type: str
    default: ""
  sum_option:
    description: Name of the variable that sets O(sha256), for messages.
    type: str
    default: sha256
  member:
    description: Path of the program in the archive, if O(url) is an archive.
    type: str
  program:
    description: Path of the program that is extracted from the archive. Required with O(member).
    type: path
  timeout:
    description: How many seconds without data an attempt may take. There are three attempts.
    type: float
    default: 30
extends_documentation_fragment:
  - slipway.kube.attributes
  - slipway.kube.check_sums
attributes:
  check_mode:
    support: full
    details: Returns whether something would be downloaded, without network access.
  diff_mode:
    support: none
    details: Programs are binary files.
  idempotent:
    support: full
seealso:
  - module: slipway.kube.artifacts
"""

EXAMPLES = r"""
- name: Download kubectl
  slipway.kube.release_program:
    url: https://dl.k8s.io/release/v1.35.1/bin/linux/amd64/kubectl
    sum_url: https://dl.k8s.io/release/v1.35.1/bin/linux/amd64/kubectl.sha256
    path: ~/.cache/slipway/release/kubectl-v1.35.1

- name: Download Helm
  slipway.kube.release_program:
    url: https://get.helm.sh/helm-v4.1.4-linux-amd64.tar.gz
    sum_url: https://get.helm.sh/helm-v4.1.4-linux-amd64.tar.gz.sha256sum
    path: ~/.cache/slipway/release/helm-v4.1.4.tar.gz
    member: linux-amd64/helm
    program: ~/.cache/slipway/release/helm-v4.1.4
"""

RETURN = r"""
program:
  description: Path of the program.
  returned: success
  type: str
  sample: /home/ada/.cache/slipway/release/kubectl-v1.35.1
downloaded:
  description: Whether something was downloaded, or would be in check mode.
  returned: success
  type: bool
  sample: true
"""

import contextlib
import pathlib
import re

from ansible.module_utils.basic import AnsibleModule
from ansible_collections.slipway.kube.plugins.module_utils._common import files, receipts
from ansible_collections.slipway.kube.plugins.module_utils._distribution import downloads
from ansible_collections.slipway.kube.plugins.module_utils._distribution.cache import lock
from ansible_collections.slipway.kube.plugins.module_utils._distribution.commands import BuildError


def ensure(
    download: downloads.Download, member: str | None, program: pathlib.Path, check_sums: bool, check_mode: bool
) -> tuple[bool, bool]:
    """Make the program present; whether it was downloaded, and whether anything changed.

    Raises DownloadError, BuildError, ReceiptError and OSError.
    """
    found = download.fault(check_sums)
    confirmed = found == receipts.UNCONFIRMED and download.confirm(write=not check_mode)
    downloaded = bool(found) and not confirmed
    if downloaded and not check_mode:
        download.fetch()
    if member is None:
        return downloaded, downloaded or confirmed
    # The program may be older than an archive that had to be downloaded again.
    inputs = downloads.extracted_from(download.sha256(), member)
    extract = downloaded or bool(receipts.fault(program, inputs, check_sums))
    if extract and not check_mode:
        # Only what was just downloaded is known to be whole.
        if not downloaded and download.fault(deep=True):
            downloaded = True
            download.fetch()
        downloads.extract(download.path, download.sha256(), member, program)
    return downloaded, downloaded or confirmed or extract


def main() -> None:
    module = AnsibleModule(
        argument_spec={
            "url": {"type": "str", "required": True},
            "path": {"type": "path", "required": True},
            "sum_url": {"type": "str", "default": ""},
            "sha256": {"type": "str", "default": ""},
            "sum_option": {"type": "str", "default": "sha256"},
            "member": {"type": "str"},
            "program": {"type": "path"},
            "timeout": {"type": "float", "default": 30},
            "check_sums": {"type": "bool", "default": False},
        },
        required_together=[("member", "program")],
        supports_check_mode=True,
    )
    params = module.params
    option = params["sum_option"]
    if params["sha256"] and not re.fullmatch(r"[0-9a-fA-F]{64}", params["sha256"]):
        module.fail_json(
            msg=f"{option} is {params['sha256']!r}, which is not a SHA-256: set its 64 hex digits, or leave it empty to use the publisher's checksum."
        )
    if not params["sha256"] and not params["sum_url"]:
        module.fail_json(msg=f"There is no checksum for {params['url']}: set sum_url, or pin it in {option}.")
    path = pathlib.Path(params["path"])
    program = pathlib.Path(params["program"]) if params["program"] else path
    download = downloads.Download(params["url"], path, params["sha256"], params["sum_url"], option, params["timeout"])
    try:
        with contextlib.nullcontext() if module.check_mode else lock(path.parent, lambda _text: None):
            downloaded, changed = ensure(download, params["member"], program, params["check_sums"], module.check_mode)
    except (downloads.DownloadError, BuildError, receipts.ReceiptError) as error:
        module.fail_json(msg=str(error))
    except OSError as error:
        module.fail_json(msg=files.unwritable(error, path.parent))
    module.exit_json(changed=changed, program=str(program), downloaded=downloaded)


if __name__ == "__main__":
    main()
