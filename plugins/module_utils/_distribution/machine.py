# Copyright: (c) 2026, Slipway contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What of this machine goes into what is made: capabilities, certificates, mirrors. Private to the collection."""

from __future__ import annotations

import hashlib
import os
import pathlib
import subprocess
import sys

from ansible_collections.slipway.kube.plugins.module_utils._distribution.commands import BuildError

CAP_SYS_RESOURCE = 24
_PROXIES = ("http_proxy", "https_proxy", "no_proxy", "HTTP_PROXY", "HTTPS_PROXY", "NO_PROXY")


def has_capability(number: int) -> bool:
    """Whether this process has a capability, by its number in capabilities(7)."""
    for line in pathlib.Path("/proc/self/status").read_text(encoding="utf-8").splitlines():
        if line.startswith("CapBnd:"):
            return bool(int(line.split()[1], 16) >> number & 1)
    return True


def ca_bundle() -> str:
    """The machine's CA bundle, which a mirror's certificate is checked by inside images too."""
    for path in (
        os.environ.get("SSL_CERT_FILE", ""),
        "/etc/ssl/certs/ca-certificates.crt",
        "/etc/pki/tls/certs/ca-bundle.crt",
    ):
        if path and os.path.isfile(path):
            return path
    raise BuildError("the machine has no CA bundle: install the package ca-certificates.")


def machine_inputs() -> dict[str, str]:
    """What of this machine goes into what is made; part of every digest it touches."""
    return {
        "architecture": os.uname().machine,
        "ca_bundle": hashlib.sha256(pathlib.Path(ca_bundle()).read_bytes()).hexdigest(),
    }


def mirror_variables() -> dict[str, str]:
    """Environment variables with the machine's own mirrors for pip and npm, and its proxies."""
    variables = {name: os.environ[name] for name in _PROXIES if os.environ.get(name)}
    pip = subprocess.run(
        [sys.executable, "-m", "pip", "config", "get", "global.index-url"],
        capture_output=True,
        text=True,
        stdin=subprocess.DEVNULL,
    )
    index = os.environ.get("PIP_INDEX_URL") or (pip.stdout.strip() if pip.returncode == 0 else "")
    if index:
        variables["PIP_INDEX_URL"] = index
    for name in ("NPM_CONFIG_REGISTRY", "npm_config_registry"):
        if os.environ.get(name):
            variables["NPM_CONFIG_REGISTRY"] = os.environ[name]
    return variables
