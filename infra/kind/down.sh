#!/usr/bin/env bash
# Removes the cluster and its registry; with --data the models as well. What is not there is no error.
set -euo pipefail
. "$(dirname "$0")/common.sh"

need kind "https://kind.sigs.k8s.io, $KIND_VERSION"
kind delete cluster --name "$CLUSTER"
[ -z "$ENGINE" ] || $ENGINE rm --force --volumes "$REGISTRY_NAME" >/dev/null 2>&1 || true
if [ "${1:-}" = --data ]; then
    rm -rf -- "$DATA"
fi
