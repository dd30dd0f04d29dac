#!/usr/bin/python

# Copyright: (c) 2026, Slipway contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: database_backup
short_description: Back up the PostgreSQL servers that run in the cluster
version_added: 0.3.0
author:
  - Slipway contributors (@slipway)
description:
  - Dumps the database of every PostgreSQL server that is part of O(releases), with the C(pg_dump) of the server's own image, while the
    application goes on.
  - Counts the rows of all tables in the snapshot that is dumped, reads the dump back, and keeps it only if it holds as many. Writes the
    counts and the dump's SHA-256 to a file beside it.
  - A server is a StatefulSet or Deployment with a container that serves port 5432 and has C(POSTGRES_PASSWORD) or
    C(POSTGRES_PASSWORD_FILE) in its environment.
extends_documentation_fragment:
  - slipway.kube.attributes
  - slipway.kube.kubernetes
  - slipway.kube.releases
attributes:
  check_mode:
    details: Says which servers would be backed up.
    support: full
  diff_mode:
    support: none
    details: The data is not shown.
  idempotent:
    support: none
    details: Each run writes a new backup.
options:
  directory:
    description: >-
      Directory that the backups are written to. They can be read by their owner only, because they hold the application's data.
    type: path
    required: true
  binary_path:
    description: Path of kubectl; by default the one on PATH.
    type: path
"""

EXAMPLES = r"""
- name: Back up the database
  slipway.kube.database_backup:
    releases:
      - name: todo
        namespace: todo
    directory: backups
    context: slipway
  register: backup
"""

RETURN = r"""
backups:
  description: The backups, one a server.
  returned: success
  type: list
  elements: dict
  contains:
    server:
      description: Kind and name of the server's workload.
      type: str
      sample: StatefulSet/todo-postgresql
    namespace:
      description: Its namespace.
      type: str
    path:
      description: Path of the dump; empty in check mode.
      type: str
      sample: backups/todo-todo-postgresql-20261130T101500Z.dump
    size:
      description: Size of the dump in bytes.
      type: int
    tables:
      description: Rows of each table.
      type: dict
      sample: {public.tasks: 12}
    rows:
      description: Rows of all tables.
      type: int
"""

import pathlib
from datetime import datetime, timezone
from typing import Any

from ansible.module_utils.basic import AnsibleModule
from ansible_collections.slipway.kube.plugins.module_utils._database import backups, dumps, servers
from ansible_collections.slipway.kube.plugins.module_utils._kube import client, kubectl, module_base


def back_up(module: AnsibleModule, cluster: client.KubernetesClient, server: servers.Server) -> dict[str, Any]:
    """Back up one server; returns its entry of the result. Raises DumpError, NoServerError, OSError."""
    found = {"server": server.workload, "namespace": server.namespace, "path": "", "size": 0, "tables": {}, "rows": 0}
    pod = dumps.Pod(kubectl.command(module), server, servers.pod_of(cluster, server))
    if module.check_mode:
        return found
    path, record = backups.write(pathlib.Path(module.params["directory"]), server, pod, datetime.now(timezone.utc))
    return {
        **found,
        "path": str(path),
        "size": record.size,
        "tables": record.content.tables,
        "rows": record.content.rows,
    }


def main() -> None:
    """Run the module."""
    module = AnsibleModule(
        argument_spec={
            "releases": {**module_base.RELEASES, "required": True},
            "directory": {"type": "path", "required": True},
            "binary_path": {"type": "path"},
            **module_base.ARGUMENTS,
        },
        supports_check_mode=True,
    )
    wanted = [(release["namespace"], release["name"]) for release in module.params["releases"]]

    def work(cluster: client.KubernetesClient) -> dict[str, Any]:
        try:
            return {
                "changed": True,
                "backups": [back_up(module, cluster, server) for server in servers.find(cluster, wanted)],
            }
        except OSError as error:
            place = error.filename or module.params["directory"]
            raise ValueError(f"{place} cannot be written: {error.strerror}. No backup was kept.") from None

    module_base.run(module, work)


if __name__ == "__main__":
    main()
