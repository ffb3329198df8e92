#!/usr/bin/env bash
# The tests of tests/cluster against the cluster that up.sh made.
set -euo pipefail
. "$(dirname "$0")/common.sh"

need kubectl "https://kubernetes.io/docs/tasks/tools"
kubectl --context "$CONTEXT" get nodes >/dev/null 2>&1 || fail "expected the cluster $CONTEXT; run make kind-up"
cd "$ROOT"
KUBE_CONTEXT=$CONTEXT MARQUE_REGISTRY=$REGISTRY MARQUE_TAG=kind exec "${PYTHON:-.venv/bin/python}" -m pytest -v tests/cluster "$@"
