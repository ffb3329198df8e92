"""Which processes train together, as the environment says.

They are read from `TF_CONFIG` (jobs `chief` and `worker`) or from torchrun's `PET_NNODES`, `PET_NODE_RANK`, `PET_MASTER_ADDR`,
`PET_MASTER_PORT` and `PET_NPROC_PER_NODE`, which Kubeflow Trainer sets under its `torch` policy; without them, this one is alone.
A machine runs a process for each of its GPUs, or as many as `PET_NPROC_PER_NODE` says; `distribution.joined` starts them.
"""

import contextlib
import json
import os
import re
import socket

import tensorflow as tf

from components.common.errors import UserError


def places() -> tuple[list[str], int, int]:
    """The address of each process, which is this one, and how many are on this machine, from this one on.

    Raises:
        UserError: the environment does not say.
    """
    if config := os.environ.get("TF_CONFIG"):
        hosts, node = _tf_config(config)
    else:
        hosts, node = _torchrun()
    gpus = len(tf.config.list_physical_devices("GPU"))
    wanted = os.environ.get("PET_NPROC_PER_NODE", "auto")
    local = int(wanted) if re.fullmatch("[0-9]+", wanted) else max(1, gpus) if wanted in ("auto", "gpu", "cpu") else 0
    if not 1 <= local <= (gpus or local):
        raise UserError(
            f"PET_NPROC_PER_NODE: expected 1 or more, and a GPU for each where there are any ({gpus} here), received {wanted}"
        )
    if len(hosts) == 1:
        return free_addresses(local), 0, local
    if not 0 <= node < len(hosts):
        raise UserError(f"TF_CONFIG, PET_NODE_RANK: expected a number from 0 to {len(hosts) - 1} of this pod, received {node}")
    for host in hosts:
        if not re.fullmatch(r".+:[0-9]{1,5}", str(host)):
            raise UserError(f"TF_CONFIG, PET_MASTER_PORT: expected addresses as host:port, received {host!r}")
    split = [host.rsplit(":", 1) for host in hosts]
    return [f"{name}:{int(port) + each}" for name, port in split for each in range(local)], node * local, local


def _tf_config(text: str) -> tuple[list[str], int]:
    try:
        config = json.loads(text)
        chiefs, workers = config["cluster"].get("chief", []), config["cluster"].get("worker", [])
        if len(chiefs) + len(workers) < 2:
            return ["alone"], 0
        kind, index = config["task"]["type"], int(config["task"]["index"])
        return [*chiefs, *workers], {"chief": 0, "worker": len(chiefs)}[kind] + index
    except (ValueError, KeyError, TypeError, AttributeError):
        raise UserError(f"TF_CONFIG: expected a cluster of chief and worker, and one of them as task, received {text}") from None


def _torchrun() -> tuple[list[str], int]:
    nodes, node = os.environ.get("PET_NNODES", "1"), os.environ.get("PET_NODE_RANK", "0")
    if nodes == "1":
        return ["alone"], 0
    master, port = os.environ.get("PET_MASTER_ADDR", ""), os.environ.get("PET_MASTER_PORT", "29500")
    # JobSet's host names, <job>-node-0-<rank>.<job>: the master's is rank 0
    name = re.fullmatch(r"([^.]*-)0(\..*)?", master)
    if not name or nodes == "0" or not (nodes.isdecimal() and node.isdecimal() and port.isdecimal()):
        raise UserError(
            f"PET_NNODES, PET_NODE_RANK, PET_MASTER_ADDR, PET_MASTER_PORT: expected two numbers, the host name of rank 0, "
            f"which ends in -0, and a port, as Kubeflow Trainer sets them, received {nodes!r}, {node!r}, {master!r}, {port!r}"
        )
    return [f"{name[1]}{rank}{name[2] or ''}:{port}" for rank in range(int(nodes))], int(node)


def free_addresses(count: int) -> list[str]:
    with contextlib.ExitStack() as stack:
        sockets = [stack.enter_context(socket.create_server(("127.0.0.1", 0))) for _ in range(count)]
        return [f"127.0.0.1:{each.getsockname()[1]}" for each in sockets]
