#!/usr/bin/python

# Copyright: (c) 2026, Slipway contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: database_restore
short_description: Restore a backup to a PostgreSQL server that runs in the cluster
version_added: 0.3.0
author:
  - Slipway contributors (@slipway)
description:
  - Restores a dump of M(slipway.kube.database_backup), or any dump in PostgreSQL's custom format, to a database beside the one that the
    application uses, compares its rows with those that were counted for the backup, and then puts it in the other one's place.
  - Until then, the application goes on and nothing is changed. Then its connections end, and it connects to the restored database.
  - What the database held before is lost; back it up first.
extends_documentation_fragment:
  - slipway.kube.attributes
  - slipway.kube.kubernetes
  - slipway.kube.releases
attributes:
  check_mode:
    details: Checks the file and its record, and whether the server can restore it.
    support: full
  diff_mode:
    support: none
    details: The data is not shown.
  idempotent:
    support: none
    details: Each run restores the dump.
options:
  path:
    description: Path of the dump.
    type: path
    required: true
  server:
    description: Name of the server's workload, if the releases have several.
    type: str
  binary_path:
    description: Path of kubectl; by default the one on PATH.
    type: path
"""

EXAMPLES = r"""
- name: Restore the database
  slipway.kube.database_restore:
    releases:
      - name: todo
        namespace: todo
    path: backups/todo-todo-postgresql-20261130T101500Z.dump
    context: slipway
"""

RETURN = r"""
server:
  description: Kind and name of the server's workload.
  returned: success
  type: str
  sample: StatefulSet/todo-postgresql
namespace:
  description: Its namespace.
  returned: success
  type: str
  sample: todo
created:
  description: When the backup was made (RFC 3339); empty for a dump without a record.
  returned: success
  type: str
  sample: "2026-11-30T10:15:00Z"
tables:
  description: Rows of each restored table; in check mode, those that the record names.
  returned: success
  type: dict
  sample: {public.tasks: 12}
rows:
  description: Rows of all tables.
  returned: success
  type: int
"""

import pathlib
from typing import Any

from ansible.module_utils.basic import AnsibleModule
from ansible_collections.slipway.kube.plugins.module_utils._database import backups, dumps, servers
from ansible_collections.slipway.kube.plugins.module_utils._kube import client, kubectl, module_base


def restore(module: AnsibleModule, path: pathlib.Path, pod: dumps.Pod, record: backups.Record | None) -> dict[str, int]:
    """Restore a dump; returns rows by table. Raises DumpError and OSError, after which the database is as it was."""
    here = pod.look()
    if record and record.content.major > here.major:
        raise dumps.DumpError(
            f"{path} is of PostgreSQL {record.content.major}, which PostgreSQL {here.major} cannot restore. "
            f"Deploy PostgreSQL {record.content.major} or newer. Nothing was changed."
        )
    if module.check_mode:
        return record.content.tables if record else {}
    try:
        with path.open("rb") as file:
            tables = pod.restore(file)
        if record and (wrong := dumps.difference(record.content.tables, tables)):
            raise dumps.DumpError(f"What was restored is not what the backup held: {wrong}. The database is as it was.")
        module_base.stop_if_lost(module)
        pod.swap()
    except dumps.DumpError:
        pod.discard()
        raise
    return tables


def main() -> None:
    """Run the module."""
    module = AnsibleModule(
        argument_spec={
            "releases": {**module_base.RELEASES, "required": True},
            "path": {"type": "path", "required": True},
            "server": {"type": "str"},
            "binary_path": {"type": "path"},
            **module_base.ARGUMENTS,
        },
        supports_check_mode=True,
    )
    path = pathlib.Path(module.params["path"])
    wanted = [(release["namespace"], release["name"]) for release in module.params["releases"]]

    def work(cluster: client.KubernetesClient) -> dict[str, Any]:
        try:
            record = backups.Record.read(path)
            backups.check(path, record)
            server = servers.choose(servers.find(cluster, wanted), module.params["server"])
            pod = dumps.Pod(kubectl.command(module), server, servers.pod_of(cluster, server))
            tables = restore(module, path, pod, record)
        except OSError as error:
            raise ValueError(
                f"{error.filename or path} cannot be read: {error.strerror}. Nothing was changed."
            ) from None
        return {
            "changed": True,
            "server": server.workload,
            "namespace": server.namespace,
            "created": record.created if record else "",
            "tables": tables,
            "rows": sum(tables.values()),
        }

    module_base.run(module, work)


if __name__ == "__main__":
    main()
