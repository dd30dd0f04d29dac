#!/usr/bin/env bash
# antsibull-docs 2.28.0: an action plugin that is a symbolic link makes the linter look for a module's options in another module.
#
# A collection may give several modules one action plugin by symbolic links, and Ansible runs each under its own name. antsibull-docs
# takes such a link for a renamed plugin, and merges the routing of action plugins into that of modules. Its linter then looks up
# O(colour) of the module `painted` among the options of the module `plain`, and says that there is no such option. The page itself is
# right. With a copy in place of the link the same documentation has no mistake.
#
# Seen with antsibull-docs 2.28.0 and ansible-core 2.21.5 on Python 3.13. Looked for in its issues: not found.
# For Slipway: scripts/docsite.py checks a copy of the collection in which links are files.
#
# Needs bash, Python 3.12 or newer with venv (PYTHON names another one than python3), and the Python package index. Takes less than a
# minute. Ends with 1 when it has changed.
set -euo pipefail

place=$(mktemp -d)
trap 'rm -rf "$place"' EXIT
"${PYTHON:-python3}" -m venv "$place/venv"
"$place/venv/bin/pip" install --quiet --disable-pip-version-check antsibull-docs==2.28.0 ansible-core==2.21.5
export PATH=$place/venv/bin:$PATH ANSIBLE_COLLECTIONS_PATH=$place ANSIBLE_HOME=$place/home

collection=$place/ansible_collections/some/where
mkdir -p "$collection"/{meta,plugins/modules,plugins/action}
cat >"$collection/galaxy.yml" <<'END'
namespace: some
name: where
version: 1.0.0
readme: README.md
authors: [Somebody]
END
echo 'requires_ansible: ">=2.18.0"' >"$collection/meta/runtime.yml"
touch "$collection/README.md"
module() { # $1: name, $2: its option
  cat >"$collection/plugins/modules/$1.py" <<END
#!/usr/bin/python
DOCUMENTATION = r"""
module: $1
short_description: Do something
author: [Somebody (@somebody)]
description:
  - Uses O($2).
options:
  $2:
    description: Something.
    type: str
"""
END
}
module plain size
module painted colour
cat >"$collection/plugins/action/plain.py" <<'END'
from ansible.plugins.action import ActionBase


class ActionModule(ActionBase):
    def run(self, tmp=None, task_vars=None):
        return self._execute_module(task_vars=task_vars)
END

lint() { # the mistakes, without the path that they begin with
  (cd "$collection" && antsibull-docs lint-collection-docs --plugin-docs --skip-rstcheck . || true) | sed 's/^.*plugins/plugins/'
}
{
  ln -s plain.py "$collection/plugins/action/painted.py"
  echo "a link:"
  lint
  rm "$collection/plugins/action/painted.py"
  cp "$collection/plugins/action/plain.py" "$collection/plugins/action/painted.py"
  echo "a copy:"
  lint
} >"$place/seen"

cat >"$place/expected" <<'END'
a link:
plugins/modules/painted.py:0:0: DOCUMENTATION -> description[1]: O(colour): option name does not reference to an existing option of the module some.where.painted
a copy:
END
if diff -u "$place/expected" "$place/seen"; then
  echo "as described: antsibull-docs 2.28.0"
else
  echo "the behaviour has changed: the lines with + are new" >&2
  exit 1
fi
