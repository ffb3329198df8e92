# Sourced by the scripts beside it: names, versions, and which container engine there is.
# shellcheck shell=bash

HERE=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
ROOT=$(cd "$HERE/../.." && pwd)
# shellcheck source=versions.env
. "$HERE/versions.env"

# shellcheck disable=SC2034 # used by those that source this
CLUSTER=marque CONTEXT=kind-marque REGISTRY_NAME=marque-registry REGISTRY=localhost:5001
DATA=$(realpath --canonicalize-missing -- "${MARQUE_DATA:-$ROOT/build/kind}")
# shellcheck disable=SC2034
UNFINISHED=$DATA/unfinished

fail() {
    echo "marque: error: $*" >&2
    exit 1
}

need() {
    command -v "$1" >/dev/null || fail "expected the command $1 ($2)"
}

if command -v docker >/dev/null && docker info >/dev/null 2>&1; then
    ENGINE=docker
elif command -v podman >/dev/null && podman info >/dev/null 2>&1; then
    ENGINE=podman
    export KIND_EXPERIMENTAL_PROVIDER=podman
else
    # shellcheck disable=SC2034
    ENGINE=
fi
