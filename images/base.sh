#!/usr/bin/env bash
# A base image from Debian's own packages, for machines that reach no registry: what python:3.11-slim-bookworm is, without its Python.
#   sudo images/base.sh [NAME]     then: make images BASE=NAME
# Needs root, debootstrap, and podman or docker.
set -euo pipefail
name=${1:-localhost/marque-base:bookworm}
engine=$(command -v podman || command -v docker) || { echo "marque: error: expected podman or docker, found neither" >&2; exit 1; }
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
debootstrap --variant=minbase --include=python3,python3-venv,python3-pip,ca-certificates bookworm "$folder" >"$folder.log" 2>&1 || {
    tail -n 5 "$folder.log" >&2
    echo "marque: error: debootstrap failed; its log: $folder.log" >&2
    exit 1
}
rm -rf "$folder"/var/cache/apt/* "$folder"/var/lib/apt/lists/* "$folder"/var/log/* "$folder"/usr/share/{man,locale,info,lintian} "$folder.log"
find "$folder/usr/share/doc" -type f ! -name copyright -delete
find "$folder/usr" -name __pycache__ -prune -exec rm -rf {} +
tar --sort=name --mtime=@0 -C "$folder" -c . | "$engine" import - "$name" >/dev/null
echo "$name"
