#!/usr/bin/env bash
# Removes the cluster and its registry; with --data the models as well. What is not there is no error.
set -euo pipefail
. "$(dirname "$0")/common.sh"

case ${1:-} in
"" | --data) ;;
*) fail "expected --data or nothing, received $1" ;;
esac
need kind "https://kind.sigs.k8s.io, $KIND_VERSION"
[ -n "$ENGINE" ] || fail "expected docker or podman, running"
kind delete cluster --name "$CLUSTER"
rm -f "$UNFINISHED"
$ENGINE rm --force --volumes "$REGISTRY_NAME" >/dev/null 2>&1 || true
if [ "${1:-}" = --data ] && [ -d "$DATA/models" ]; then
    # what pods wrote is their user's; a container's root may remove it
    $ENGINE run --rm --volume "$DATA:/data" --entrypoint rm "$REGISTRY_IMAGE" -rf /data/models
fi
