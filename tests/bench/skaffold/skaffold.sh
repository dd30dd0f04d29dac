#!/usr/bin/env bash
# The deploy by Skaffold that deploys.py measures Slipway against.
#
#   tests/bench/skaffold/skaffold.sh deploy|rollback
#
# Skaffold makes no clusters, does not load images into Minikube's containerd, and has no rollback: these steps are those of the shell.
set -euo pipefail
. "$(dirname "${BASH_SOURCE[0]}")/../steps.sh"

deploy() {
  start_cluster
  # For a context that it takes for Minikube it builds in the node's Docker, which a node with containerd does not have.
  kubectl config view --raw --minify --flatten >"$SOURCE/kubeconfig"
  kubectl --kubeconfig "$SOURCE/kubeconfig" config rename-context "$PROFILE" bench >/dev/null
  cd "$SOURCE"
  export KUBECONFIG=$SOURCE/kubeconfig
  skaffold build --push=false --detect-minikube=false --file-output=images.json
  local there image
  there=$(minikube image ls --profile "$PROFILE")
  for image in $(grep -o '"tag":"[^"]*"' images.json | cut -d '"' -f 4); do
    grep -q -F "/$image" <<<"$there" || minikube image load "$image" --profile "$PROFILE"
  done
  # With a label of each run's own, which is the default, all pods would be replaced even when nothing has changed.
  skaffold deploy --build-artifacts=images.json --load-images=false --detect-minikube=false --label=skaffold.dev/run-id=bench
}

case ${1:-} in
  deploy) deploy ;;
  rollback) roll_back ;;
  *) echo "usage: tests/bench/skaffold/skaffold.sh deploy|rollback" >&2; exit 64 ;;
esac
look
