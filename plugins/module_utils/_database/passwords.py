# Copyright: (c) 2026, Slipway contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The password of a PostgreSQL server in the cluster, which follows the Secret that it comes from. Private to the collection.

PostgreSQL reads the password of its environment only when it makes its data. Later, the role has to be told of another one.
"""

from __future__ import annotations

import base64
import contextlib
import hashlib
import hmac
import secrets
import subprocess
import time
import unicodedata
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from urllib.parse import quote

from ansible_collections.slipway.kube.plugins.module_utils._common.masker import Masker
from ansible_collections.slipway.kube.plugins.module_utils._common.text import sentence
from ansible_collections.slipway.kube.plugins.module_utils._database.servers import (
    NoServerError,
    Server,
    pod_of,
    servers_of,
)
from ansible_collections.slipway.kube.plugins.module_utils._kube import client
from ansible_collections.slipway.kube.plugins.module_utils._kube.secret_copies import SecretError

_ITERATIONS = 4096  # PostgreSQL's own number
# How long to wait for a server whose pod is just being replaced, in seconds.
_WAIT = 30
# The role is the one that the data was made with. Connections over the socket need no password in the official image and those like it.
_ALTER = r"""set -eu
export PGUSER="${POSTGRES_USER:-postgres}" PGPASSWORD="${POSTGRES_PASSWORD:-}"
IFS= read -r verifier
export verifier
psql --no-psqlrc --quiet --dbname=template1 --set=ON_ERROR_STOP=1 --set=role="$PGUSER" <<'END'
\set verifier `printf %s "$verifier"`
ALTER ROLE :"role" PASSWORD :'verifier';
END
"""

Data = Mapping[str, bytes]


class PasswordError(SecretError):
    """The password could not be changed in the database: a sentence of cause and one of what to do."""


def verifier(password: bytes, salt: bytes) -> str:
    """Return what PostgreSQL keeps of a password, as its own C(psql) computes it for C(\\password): the password itself is not sent."""
    with contextlib.suppress(UnicodeDecodeError):  # PostgreSQL takes what is no text as it is, too
        password = unicodedata.normalize("NFKC", password.decode()).encode()
    salted = hashlib.pbkdf2_hmac("sha256", password, salt, _ITERATIONS)
    stored = hashlib.sha256(hmac.digest(salted, b"Client Key", "sha256")).digest()
    server = hmac.digest(salted, b"Server Key", "sha256")
    parts = [base64.b64encode(part).decode() for part in (salt, stored, server)]
    return f"SCRAM-SHA-256${_ITERATIONS}:{parts[0]}${parts[1]}:{parts[2]}"


class PasswordChanger:
    """Tells the servers of releases of the password in a Secret that changes. C(releases) are (namespace, name)."""

    def __init__(
        self,
        cluster: client.KubernetesClient,
        kubectl: Callable[[], Sequence[str]],
        releases: Iterable[tuple[str, str]],
        sleep: Callable[[float], None] = time.sleep,
    ) -> None:
        """C(kubectl) returns the program with its options for the cluster; it is asked for only when it is needed."""
        self._cluster = cluster
        self._kubectl = kubectl
        self._releases = list(releases)
        self._sleep = sleep

    def __call__(self, namespace: str, secret: str, before: Data, after: Data) -> None:
        """Set the password of every server that takes it from a Secret. Raises PasswordError, KubernetesError.

        Both contents are needed: a server that has data got its password from the one that was there before.
        """
        for server in self._servers(namespace, secret):
            if before.get(server.key) and after.get(server.key) and before[server.key] != after[server.key]:
                self._alter(server, after[server.key])

    def _servers(self, namespace: str, secret: str) -> Iterator[Server]:
        names = [name for place, name in self._releases if place == namespace]
        listed = self._cluster.items(f"/apis/apps/v1/namespaces/{quote(namespace)}/statefulsets") if names else []
        for server in servers_of(({**one, "kind": "StatefulSet"} for one in listed), namespace, names):
            if server.secret == secret:
                yield server

    def _alter(self, server: Server, password: bytes) -> None:
        where = f"the password in the database of {server.workload} in namespace {server.namespace}"
        try:
            pod = self._pod(server)
        except NoServerError as error:
            raise PasswordError(f"Secret {server.secret} changes {where}. {error}") from None
        place = ["--namespace", server.namespace, "exec", "--quiet", "--stdin", "--container", server.container, pod]
        command = [*self._kubectl(), *place, "--", "sh", "-c", _ALTER]
        text = f"{verifier(password, secrets.token_bytes(16))}\n"
        try:
            ended = subprocess.run(command, input=text.encode(), capture_output=True)
        except OSError as error:
            raise PasswordError(f"{command[0]} cannot be run: {error.strerror}. Install kubectl.") from None
        if ended.returncode:
            told = " ".join(Masker().outside(ended.stderr.decode(errors="replace")).split())[:300]
            raise PasswordError(
                f"Secret {server.secret} changes {where}, which PostgreSQL refused: {sentence(told or 'it gave no reason')} "
                "Deploy the earlier value, or correct what is refused."
            )

    def _pod(self, server: Server) -> str:
        """Return the server's ready pod; waits for one that is just being replaced. Raises NoServerError, KubernetesError."""
        for _second in range(_WAIT):
            try:
                return pod_of(self._cluster, server)
            except NoServerError:
                self._sleep(1)
        return pod_of(self._cluster, server)
