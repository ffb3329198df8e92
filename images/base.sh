#!/usr/bin/env bash
# A base image from Debian's own packages, for machines that reach no registry: what python:3.11-slim-bookworm is, without its Python.
# Only this needs root and debootstrap; who builds the images imports it, as root's images are not those of a user's podman:
#   sudo images/base.sh base.tar
#   podman import base.tar localhost/marque-base:bookworm        # or docker import
#   make images BASE=localhost/marque-base:bookworm
set -euo pipefail
fail() {
    echo "marque: error: $*" >&2
    exit 1
}
[ $# = 1 ] || fail "expected a file to write, such as base.tar, received $# words"
[ "$(id -u)" = 0 ] || fail "debootstrap needs root: sudo $0 $1"
command -v debootstrap >/dev/null || fail "expected debootstrap, found none; in Debian: apt install debootstrap"
folder=$(mktemp -d)
# one file system: debootstrap mounts some of this machine's
trap 'rm -rf --one-file-system "$folder" "$1.partial"' EXIT
debootstrap --variant=minbase --include=python3,python3-venv,python3-pip,ca-certificates bookworm "$folder" >"$folder.log" 2>&1 ||
    fail "debootstrap failed, its log is $folder.log: $(tail -n 1 "$folder.log")"
rm -rf "$folder"/var/cache/apt/* "$folder"/var/lib/apt/lists/* "$folder"/var/log/* "$folder"/usr/share/{man,locale,info,lintian} "$folder.log"
find "$folder/usr/share/doc" -type f ! -name copyright -delete
find "$folder/usr" -name __pycache__ -prune -exec rm -rf {} +
tar --sort=name --mtime=@0 -C "$folder" -cf - . >"$1.partial"
mv "$1.partial" "$1"
