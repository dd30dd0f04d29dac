#!/usr/bin/python

# Copyright: (c) 2026, Slipway contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: application_plan
short_description: Validate the specification of an application and compute its plan
version_added: 0.1.0
author:
  - Slipway contributors (@slipway)
description:
  - Validates the specification and reports all mistakes at once, before anything is changed. The checks are read as
    M(slipway.kube.health_check) reads them.
  - Computes the plan that the other roles use; image tags are digests of the sources.
  - The source digest of a component covers the files of its build context that C(.dockerignore) does not exclude, with their
    permissions, the Dockerfile and the build arguments. Modification times, owners, and the permissions of the group and of
    others to write do not count. Neither do sockets, named pipes and devices, which no image gets.
  - The digest of a chart covers its files and those of its C(file://) dependencies.
  - With O(snapshots), keeps a copy of each component's sources and of each chart. Images are built and releases installed
    from these copies, so a file that changes during a run belongs to the next run.
  - Finds what a Dockerfile copies and the build context does not have, or C(.dockerignore) leaves out, and C(npm ci) without a lock file.
  - Warns about private keys, C(.env) files and C(.git) directories in a build context, about a large context, and about files that the
    user of the image cannot read.
requirements:
  - python >= 3.11
  - PyYAML
extends_documentation_fragment:
  - slipway.kube.attributes.reads
options:
  name:
    description: Name of the application; also the default namespace and the default prefix of image names.
    type: str
    required: true
  namespace:
    description: Namespace of the application.
    type: str
  hosts:
    description: Host names that the application answers for.
    type: raw
  exposure:
    description:
      - How the application is exposed outside the cluster. C(kind) is one of C(ingress), C(node_port), C(load_balancer) and
        C(none); C(node_port) and C(load_balancer) also have C(service), C(namespace) and C(port) (name or number).
    aliases: [entry]
    type: raw
  project_dir:
    description: Base directory of relative paths.
    type: path
    required: true
  distribution:
    description:
      - Directory with the definitions of base images that are built on the machine, as in the collection.
      - The source digest of a component covers the definitions of its base images that are built on the machine, and the names
        of other base images.
    type: path
  snapshots:
    description:
      - Directory in which to keep the snapshots of sources and charts. One that exists is used again, and only files that have
        changed since are read. Snapshots that are no longer needed are removed.
      - Without it, the module only computes the digests, and fails the later modules if a source has changed in the meantime.
    type: path
    version_added: 0.2.0
  build_args:
    description:
      - Build arguments for every component, as in M(slipway.kube.minikube_image). The component's own take precedence.
      - The source digest covers them, except C(PIP_INDEX_URL) and C(NPM_CONFIG_REGISTRY), which say only where packages come
        from.
    type: raw
    version_added: 0.2.0
  context_warning_mb:
    description: From which size on a build context is worth a warning, in megabytes. V(0) means never.
    type: float
    default: 0
    version_added: 0.2.0
  components:
    description:
      - What images are built of, by name.
      - Each has C(source) (a directory), and optionally C(dockerfile) (its path from there), C(build_args),
        C(repository) and C(migrations) (paths in the source that define the database migrations).
      - In a build argument, C(${components.NAME.image}) is the image of another component, which is then built first.
    type: raw
  releases:
    description:
      - The Helm releases, in the order in which they are installed.
      - Each has C(name) and C(chart) (a directory), and optionally C(namespace), C(values), C(images) (components to
        the dotted paths in the values that get their repository and tag), C(migrations) (components to the dotted paths
        that get a digest of their migrations), C(secret_checksums) (secrets to the dotted paths that get a checksum of
        their content) and C(wait) (whether the next release waits for its rollout).
    type: raw
  secrets:
    description: The declared Secrets without values, as returned by P(slipway.kube.secret_outline#filter).
    type: raw
  checks:
    description:
      - Checks as in M(slipway.kube.health_check).
      - C(${application.name}), C(${application.namespace}), C(${application.host}) (the first host) and
        C(${components.NAME.tag}) (also C(image), C(repository), C(source_digest)) are placeholders for the values in
        RV(plan.variables), and C(${application.url}) for the URL of the application. They are replaced when the checks run.
    type: raw
  journey:
    description: Checks that form a user's journey through the application.
    type: raw
  check_variables:
    description: Names of further variables that placeholders in the checks may use.
    type: list
    elements: str
    default: []
    version_added: 0.2.0
  given:
    description: Names of all variables that start with C(application_), to find misspelt ones.
    type: list
    elements: str
    default: []
seealso:
  - module: slipway.kube.health_check
"""

EXAMPLES = r"""
- name: Compute the plan
  slipway.kube.application_plan:
    name: todo
    project_dir: "{{ playbook_dir }}"
    components:
      backend:
        source: src/backend
    releases:
      - name: todo
        chart: charts/todo
        images:
          backend: backend.image
  register: planned
"""

RETURN = r"""
plan:
  description: The plan. It contains no secret.
  returned: success
  type: dict
  contains:
    name:
      description: The application's name.
      type: str
    namespace:
      description: The application's namespace.
      type: str
    project_dir:
      description: The base directory of relative paths.
      type: str
    hosts:
      description: Host names that the application answers for.
      type: list
      elements: str
    exposure:
      description: How the application is exposed, with C(kind).
      type: dict
    components:
      description:
        - What images are built of, by name and in the order of building, with C(source), C(tag), C(image),
          C(source_digest) (of all that enters the image),
          C(migrations) (their digest), C(needs) (the components they are built from), C(deliver) (whether the cluster needs them),
          C(snapshot) (the directory with the copy of the sources) and C(build_digest) (of the copy and the build arguments).
      type: dict
    releases:
      description: The releases with absolute C(chart) and C(chart_snapshot), C(chart_digest), and C(values) that name the images.
      type: list
      elements: dict
    secrets:
      description: Names of the secrets and their keys.
      type: list
      elements: dict
    checks:
      description: The checks.
      type: list
      elements: dict
    journey:
      description: The checks of the journey.
      type: list
      elements: dict
    variables:
      description: The values of the placeholders in the checks, by name, except C(application.url).
      type: dict
      sample: {"application.host": todo.localhost, "components.backend.tag": sha-3f2a9c0d1e5b7a68}
  sample:
    name: todo
    namespace: todo
    components:
      backend: {repository: todo-backend, tag: sha-3f2a9c0d1e5b7a68, image: "todo-backend:sha-3f2a9c0d1e5b7a68"}
problems:
  description: One sentence for each mistake in the specification.
  returned: failure
  type: list
  elements: str
  sample: ["application_components.backend.source: there is no directory /srv/src; correct it."]
"""

from pathlib import Path

from ansible.module_utils.basic import AnsibleModule
from ansible_collections.slipway.kube.plugins.module_utils._common.renames import deprecated_aliases
from ansible_collections.slipway.kube.plugins.module_utils._common.requires import require
from ansible_collections.slipway.kube.plugins.module_utils._plan.specification import build_plan
from ansible_collections.slipway.kube.plugins.module_utils._plan.validator import SpecificationError


def main() -> None:
    """Run the module."""
    module = AnsibleModule(
        argument_spec={
            "name": {"type": "str", "required": True},
            "namespace": {"type": "str"},
            "hosts": {"type": "raw"},
            "exposure": {"type": "raw", **deprecated_aliases("application_plan", "exposure")},
            "project_dir": {"type": "path", "required": True},
            "distribution": {"type": "path"},
            "snapshots": {"type": "path"},
            "build_args": {"type": "raw"},
            "context_warning_mb": {"type": "float", "default": 0},
            "components": {"type": "raw"},
            "releases": {"type": "raw"},
            "secrets": {"type": "raw", "no_log": False},
            "checks": {"type": "raw"},
            "journey": {"type": "raw"},
            "check_variables": {"type": "list", "elements": "str", "default": []},
            "given": {"type": "list", "elements": "str", "default": []},
        },
        supports_check_mode=True,
    )
    require(module, "yaml")
    try:
        plan = build_plan(module.params, Path.cwd())
    except SpecificationError as error:
        module.fail_json(msg=str(error), problems=error.problems)
    for warning in plan.warnings:
        module.warn(warning)
    module.exit_json(changed=False, plan=plan.as_dict())


if __name__ == "__main__":
    main()
