#!/usr/bin/env bash
# A cluster on this laptop: registry, nodes, Kubeflow Pipelines, our images, TF Serving. Run again after an interruption or a change
# it goes on: each step looks first whether it is done.
set -euo pipefail
. "$(dirname "$0")/common.sh"

need kind "https://kind.sigs.k8s.io, $KIND_VERSION"
need kubectl "https://kubernetes.io/docs/tasks/tools"
need git "kubectl fetches Kubeflow's manifests with it"
[ -n "$ENGINE" ] || fail "expected docker or podman, running"

echo "> registry at $REGISTRY"
if [ "$($ENGINE inspect -f '{{.State.Running}}' "$REGISTRY_NAME" 2>/dev/null || true)" != true ]; then
    $ENGINE rm --force "$REGISTRY_NAME" >/dev/null 2>&1 || true
    $ENGINE run --detach --restart=always --publish 127.0.0.1:5001:5000 --name "$REGISTRY_NAME" "$REGISTRY_IMAGE" >/dev/null
fi

echo "> cluster $CLUSTER"
mkdir -p "$DATA/models"
# pods write there as user 10001; where we may not give it to them, everybody may
chown 10001:10001 "$DATA/models" 2>/dev/null || chmod 1777 "$DATA/models"
# what was interrupted while it was made counts as a cluster for kind, and never becomes one
if [ -e "$UNFINISHED" ]; then
    kind delete cluster --name "$CLUSTER"
fi
if ! kind get clusters 2>/dev/null | grep -qx "$CLUSTER"; then
    touch "$UNFINISHED"
    config=$(<"$HERE/cluster.yaml")
    kind create cluster --image "$NODE_IMAGE" --config - --wait 120s <<<"${config//MARQUE_DATA/"$DATA"}"
fi
rm -f "$UNFINISHED"
$ENGINE network connect kind "$REGISTRY_NAME" >/dev/null 2>&1 || true
for node in $(kind get nodes --name "$CLUSTER"); do
    $ENGINE start "$node" >/dev/null # after the machine itself was
    $ENGINE exec "$node" mkdir -p "/etc/containerd/certs.d/$REGISTRY"
    echo "[host.\"http://$REGISTRY_NAME:5000\"]" |
        $ENGINE exec -i "$node" cp /dev/stdin "/etc/containerd/certs.d/$REGISTRY/hosts.toml"
done
kubectl="kubectl --context $CONTEXT"

echo "> images"
images=(REGISTRY="$REGISTRY" TAG=kind IMAGES="data trainer server client app")
make -C "$ROOT" --no-print-directory images "${images[@]}"
CONTAINERS_REGISTRIES_CONF=$HERE/registries.conf make -C "$ROOT" --no-print-directory push "${images[@]}"

echo "> Kubeflow Pipelines $KFP_VERSION"
from=github.com/kubeflow/pipelines/manifests/kustomize
$kubectl apply --server-side --force-conflicts -k "$from/cluster-scoped-resources?ref=$KFP_VERSION"
$kubectl wait --for condition=established --timeout=120s crd/workflows.argoproj.io
$kubectl apply --server-side --force-conflicts -k "$from/env/platform-agnostic?ref=$KFP_VERSION"

echo "> Marque"
$kubectl apply --server-side --force-conflicts -k "$ROOT/infra/kubernetes/overlays/kind"
# its image may be another under the same name
$kubectl --namespace marque-serving rollout restart deployment/marque-app
$kubectl --namespace kubeflow rollout status deployment/ml-pipeline --timeout=900s
$kubectl --namespace kubeflow rollout status deployment/workflow-controller --timeout=300s
cat <<END
The cluster is up. TF Serving answers at localhost:8500 once a first model is deployed:
  python -m pipelines compile --registry $REGISTRY --tag kind --volume marque-models:/models
  python -m pipelines submit --kube-context $CONTEXT --service-account marque-pipeline --source 'toy://' --repository /models --preset smoke --wait
END
