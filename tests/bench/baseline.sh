#!/usr/bin/env bash
# The deploy by shell that deploys.py measures Slipway against, written as people write it.
#
#   tests/bench/baseline.sh deploy|rollback
set -euo pipefail
. "$(dirname "${BASH_SOURCE[0]}")/steps.sh"

deploy() {
  start_cluster
  # With "latest" the old pods would stay.
  local tag
  tag=$(date +%Y%m%d-%H%M%S)
  # shellcheck disable=SC2086 # options, one word each
  docker build $BUILD_OPTIONS --build-arg "PYTHON_VERSION=$PYTHON_VERSION" --tag "$BACKEND:$tag" "$SOURCE/backend"
  # shellcheck disable=SC2086
  docker build $BUILD_OPTIONS --build-arg NEXT_PUBLIC_API_URL= --tag "$FRONTEND:$tag" "$SOURCE/frontend"
  minikube image load "$BACKEND:$tag" --profile "$PROFILE"
  minikube image load "$FRONTEND:$tag" --profile "$PROFILE"
  helm upgrade --install todo "$CHART" --namespace todo --create-namespace --values "$VALUES" \
    --set "backend.image.repository=$BACKEND" --set "backend.image.tag=$tag" \
    --set "frontend.image.repository=$FRONTEND" --set "frontend.image.tag=$tag" \
    --set "postgresql.secret.POSTGRES_PASSWORD=$POSTGRES_PASSWORD" \
    --set "backend.secret.DATABASE_URL=$DATABASE_URL" --set "backend.secret.JWT_SECRET=$JWT_SECRET"
  wait_for_deployments
}

case ${1:-} in
  deploy) deploy ;;
  rollback) roll_back ;;
  *) echo "usage: tests/bench/baseline.sh deploy|rollback" >&2; exit 64 ;;
esac
look
