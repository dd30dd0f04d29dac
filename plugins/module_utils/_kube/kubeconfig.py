# Copyright: (c) 2026, Slipway contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Read a kubeconfig by the kubernetes library's loader, which knows every way of logging in. Private to the collection."""

from __future__ import annotations

import functools
import importlib
import importlib.util
import logging
import os
import sys
import tempfile
import threading
import types
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any
from urllib.parse import quote

from ansible_collections.slipway.kube.plugins.module_utils._common.masker import Masker
from ansible_collections.slipway.kube.plugins.module_utils._common.options import nearest
from ansible_collections.slipway.kube.plugins.module_utils._kube.api import KubeconfigError, MalformedKubeconfigError

# A person may have to answer a browser's question.
LOGIN_SECONDS = 60.0
_LOG_IN = "Log in to the cluster by hand once, or correct the user of the kubeconfig."
# Ends a login program with all that it started, which the loader itself would wait for without end.
_BOUNDED = """
import os, signal, subprocess, sys
seconds, command = float(sys.argv[1]), sys.argv[2:]
try:
    program = subprocess.Popen(command, start_new_session=True)
    sys.exit(program.wait(seconds))
except OSError as error:
    sys.exit(f"{command[0]}: {error.strerror}")
except subprocess.TimeoutExpired:
    os.killpg(program.pid, signal.SIGKILL)
    sys.exit(f"{command[0]} did not end within {seconds:g} s")
"""


@functools.cache
def library() -> Any:
    """Import kubernetes.config.kube_config alone. Raises ImportError.

    The library's packages import all of its parts and models: 23 MB and 0.18 s of a processor on top of a module, where the loader
    itself takes 12 MB and 0.08 s. So it is imported below empty packages, which are gone again afterwards.
    """
    names = ("kubernetes", "kubernetes.client", "kubernetes.config")
    spec = importlib.util.find_spec("kubernetes")
    if "kubernetes" in sys.modules or spec is None or not spec.submodule_search_locations:
        return importlib.import_module("kubernetes.config.kube_config")
    root = Path(next(iter(spec.submodule_search_locations)))
    before = set(sys.modules)
    packages = {name: types.ModuleType(name) for name in names}
    for name, package in packages.items():
        package.__path__ = [str(root.joinpath(*name.split(".")[1:]))]
    sys.modules.update(packages)
    try:
        client: Any = packages["kubernetes.client"]
        client.Configuration = importlib.import_module("kubernetes.client.configuration").Configuration
        client.ApiClient = _api_client
        return importlib.import_module("kubernetes.config.kube_config")
    except (ImportError, AttributeError):
        pass  # another version of the library: below, all of it is imported
    finally:
        for name in set(sys.modules) - before:
            if name.partition(".")[0] == "kubernetes":
                del sys.modules[name]
    return importlib.import_module("kubernetes.config.kube_config")


def _api_client(**options: Any) -> Any:
    """Make the library's own client, by which the loader renews a token of OpenID Connect."""
    return importlib.import_module("kubernetes.client").ApiClient(**options)


# Files that a kubeconfig names, relative to itself.
_FILES = ("certificate-authority", "client-certificate", "client-key", "tokenFile")


def _chosen(path: str, context: str | None) -> tuple[Any, Any, Any, str]:
    """Return the merged configuration, the cluster and the user (or None) of a context, and its name."""
    merger = library().KubeConfigMerger(path)
    if merger.config is None:
        raise library().ConfigException(f"There is no file {path}")
    name = context or merger.config["current-context"]
    names = [str(one["name"]) for one in merger.config["contexts"]]
    if name not in names:
        raise library().ConfigException(
            f"It has no such context; {nearest(str(name), names) if names else 'it has none'}"
        )
    named = merger.config["contexts"].get_with_name(name)["context"]
    cluster = merger.config["clusters"].get_with_name(named["cluster"])
    user = named.safe_get("user")
    return merger, cluster, merger.config["users"].get_with_name(user, safe=True) if user else None, name


def _path(kubeconfig: str | None) -> str:
    return (
        (str(Path(kubeconfig).expanduser()) if kubeconfig else None) or os.environ.get("KUBECONFIG") or "~/.kube/config"
    )


def impersonating(kubeconfig: str | None, context: str | None, user: Mapping[str, Any]) -> dict[str, Any] | None:
    """Return a kubeconfig of one context whose requests are made in the name of C(user): username, groups and extra.

    None when its user impersonates somebody already, or logs in by what is written back to the kubeconfig.
    """
    _merger, cluster, found, name = _chosen(_path(kubeconfig), context)
    own = dict((found.value.get("user") if found else None) or {})
    if "as" in own or "auth-provider" in own:
        return None
    place = {"cluster": _with_whole_paths(cluster.value["cluster"], cluster.path), "name": "cluster"}
    own = {**_with_whole_paths(own, found.path if found else ""), "as": user["username"], "as-groups": user["groups"]}
    own["as-user-extra"] = user["extra"]
    return {
        "apiVersion": "v1",
        "kind": "Config",
        "current-context": name,
        "clusters": [place],
        "users": [{"name": "user", "user": own}],
        "contexts": [{"name": name, "context": {"cluster": "cluster", "user": "user"}}],
    }


def _with_whole_paths(entry: Mapping[str, Any], file: str) -> dict[str, Any]:
    place = Path(file).expanduser().resolve().parent
    found = {key: str(place / value) if key in _FILES and value else value for key, value in entry.items()}
    login = found.get("exec")
    if isinstance(login, Mapping) and "/" in str(login.get("command") or ""):
        found["exec"] = {**login, "command": str(place / str(login["command"]))}
    return found


def _impersonation(user: Mapping[str, Any]) -> list[tuple[str, str]]:
    """Return the headers by which a user of a kubeconfig impersonates somebody, as client-go sends them."""
    if not user.get("as"):
        return []
    found = [("Impersonate-User", str(user["as"]))]
    found += [("Impersonate-Group", str(group)) for group in user.get("as-groups") or ()]
    for key, values in (user.get("as-user-extra") or {}).items():
        found += [(f"Impersonate-Extra-{quote(str(key), safe='')}", str(value)) for value in values]
    return found


class Access:
    """How to reach and to log in to the API server that a context names.

    C(host) is its URL; the other attributes are file names, what TLS needs, and the C(proxy-url). Raises KubeconfigError.
    """

    def __init__(self, kubeconfig: str | None, context: str | None, login_seconds: float = LOGIN_SECONDS) -> None:
        path = str(Path(kubeconfig).expanduser()) if kubeconfig else None
        self._where = f"The kubeconfig {path or 'of this user'} cannot be used with context {context or '(current)'}"
        self._seconds = login_seconds
        self._lock = threading.Lock()
        # The loader writes keys that the kubeconfig holds to files.
        self._directory = tempfile.TemporaryDirectory(prefix="slipway-kube-")
        self._configuration = library().Configuration()
        self.proxy: str | None = None
        self.impersonation: list[tuple[str, str]] = []
        try:
            self._bounded(lambda: self._load(_path(kubeconfig), context))
        except BaseException:
            self.close()
            raise
        self.host = str(self._configuration.host).rstrip("/")
        self.verify = bool(self._configuration.verify_ssl)
        self.ca_file: str | None = self._configuration.ssl_ca_cert
        self.cert_file: str | None = self._configuration.cert_file
        self.key_file: str | None = self._configuration.key_file
        self.server_name: str | None = getattr(self._configuration, "tls_server_name", None)

    def close(self) -> None:
        """Remove the files with what the kubeconfig holds."""
        self._directory.cleanup()

    def headers(self) -> dict[str, str]:
        """Return the header that logs in, with a new token when the old one has run out."""
        with self._lock, _Told() as told:
            token = self._configuration.get_api_key_with_prefix("BearerToken")
        if told.lines:
            raise KubeconfigError(f"{self._where}: {' '.join(told.lines)}. {_LOG_IN}")
        return {"Authorization": str(token)} if token else {}

    def _load(self, path: str, context: str | None) -> None:
        merger, cluster, found, chosen = _chosen(path, context)
        self.proxy = cluster["cluster"].safe_get("proxy-url")
        own = (found.value.get("user") if found else None) or {}
        self.impersonation = _impersonation(own)
        login = own.get("exec")
        if found and login and login.get("command"):
            # Only in memory: nothing is written back to the file of a user who logs in by a program.
            command = [sys.executable, "-I", "-S", "-c", _BOUNDED, str(self._seconds), str(login["command"])]
            bounded = {**login, "command": command[0], "args": [*command[1:], *(login.get("args") or ())]}
            found.value["user"] = {**found.value["user"], "exec": bounded}
        loader = library().KubeConfigLoader(
            merger.config,
            active_context=chosen,
            config_base_path=None,
            config_persister=None if login else merger.save_changes,
            temp_file_path=self._directory.name,
        )
        with _Told() as told:
            loader.load_and_set(self._configuration)
        if login and not (self._configuration.api_key or self._configuration.cert_file):
            raise _LoginError(f"Its login program {login.get('command')} gave no credentials: {' '.join(told.lines)}")

    def _bounded(self, work: Callable[[], None]) -> None:
        """Do what may log in over the network, and give up when it does not end."""
        failed: list[Exception | None] = []

        def act() -> None:
            try:
                work()
                failed.append(None)
            except Exception as error:  # the loader raises its own, YAML's and file errors alike
                failed.append(error)

        thread = threading.Thread(target=act, name="kubeconfig", daemon=True)
        thread.start()
        thread.join(self._seconds + 5)  # the login program's own bound comes first
        if failed == [None]:
            return
        reason = _reason(failed[0]) if failed else f"Logging in did not end within {self._seconds:g} s"
        remedy = "Start the cluster, or correct the path and the context."
        if not failed or isinstance(failed[0], _LoginError):
            remedy = _LOG_IN
        kind = MalformedKubeconfigError if failed and _is_malformed(failed[0]) else KubeconfigError
        raise kind(f"{self._where}: {reason}. {remedy}") from None


class _LoginError(Exception):
    """A login program of the kubeconfig failed."""


class _Told(logging.Handler):
    """Keeps what the loader logs: it goes on without credentials when a login program fails.

    What other threads log meanwhile, such as urllib3 about a full pool, says nothing about a login.
    """

    def __init__(self) -> None:
        super().__init__()
        self.lines: list[str] = []
        self._thread = threading.get_ident()

    def emit(self, record: logging.LogRecord) -> None:
        """Keep a line of this thread. A login program may have written credentials to its errors."""
        if record.thread == self._thread:
            self.lines.append(" ".join(Masker().outside(record.getMessage()).split()))

    def __enter__(self) -> _Told:
        logging.getLogger().addHandler(self)
        return self

    def __exit__(self, *_error: object) -> None:
        logging.getLogger().removeHandler(self)


def _is_malformed(error: Exception | None) -> bool:
    """Say whether the loader met a file that is no YAML, or whose parts are of other kinds than those of a kubeconfig."""
    # The loader imports PyYAML, which this file does not need.
    return isinstance(error, TypeError | AttributeError | LookupError | UnicodeError) or any(
        kind.__name__ == "YAMLError" for kind in type(error).__mro__
    )


def _reason(error: Exception | None) -> str:
    if isinstance(error, TypeError | AttributeError | LookupError):
        return "It is not written as a kubeconfig is"  # the loader's own mistakes have no words for a person
    text = " ".join(Masker().outside(str(error)).split()).rstrip(".")
    return text[:500] or type(error).__name__
