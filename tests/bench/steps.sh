# What baseline.sh and skaffold.sh have in common: the steps that people take by hand. deploys.py sets the variables in capitals.
# shellcheck shell=bash

start_cluster() {
  minikube status --profile "$PROFILE" >/dev/null 2>&1 && return
  # shellcheck disable=SC2086 # options, one word each
  minikube start --profile "$PROFILE" $START_OPTIONS
  if [ -z "$MANIFESTS" ]; then
    minikube addons enable ingress --profile "$PROFILE"
    minikube addons enable metrics-server --profile "$PROFILE"
    return
  fi
  # Where the addons' images cannot be had: what Slipway applies there.
  kubectl apply --filename "$MANIFESTS/ingress.yml" --filename "$MANIFESTS/metrics.yml"
  kubectl rollout status daemonset/traefik --namespace traefik --timeout=120s
  kubectl rollout status deployment/metrics-server --namespace kube-system --timeout=120s
  kubectl apply --filename "$MANIFESTS/metrics_api.yml"
}

# Not for pods, as many scripts do: after an upgrade old ones are among them, and the wait ends in a time-out or "not found".
wait_for_deployments() {
  kubectl wait --for=condition=available deployment --selector app.kubernetes.io/component=backend --namespace todo --timeout=120s
  kubectl wait --for=condition=available deployment --selector app.kubernetes.io/component=frontend --namespace todo --timeout=120s
}

roll_back() {
  helm rollback todo --namespace todo
  wait_for_deployments
}

look() { # as a person does: one request, and whatever comes is read
  curl --silent --show-error --max-time 10 "$ADDRESS/api/health"
}
