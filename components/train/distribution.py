"""Training in several processes side by side, one a GPU: each takes its rows of every batch, and all apply the same mean gradient.

- What they come to is what one process comes to with the same batch, but for rounding (and dropout's and augmentation's draws).
- A process knows of the others only here: its model, optimizer and checkpoint are those of training alone. The first process is the
  chief, which writes. When a process dies, the others end with `preemption.EXIT_STATUS`, to go on together from the checkpoint.
- The reductions are TensorFlow's collectives, over gRPC between CPUs and NCCL between GPUs. Not its strategies' variables: in Keras
  3.15 they fail with gradient accumulation (keras-team/keras #20582) and, in several processes, with any metric (#20585), and they
  drop the same units on every replica and let BatchNorm's statistics drift apart.

Which processes there are is read from `TF_CONFIG` (jobs `chief` and `worker`) or from torchrun's `PET_NNODES`, `PET_NODE_RANK`,
`PET_MASTER_ADDR`, `PET_MASTER_PORT` and `PET_NPROC_PER_NODE`, which Kubeflow Trainer sets under its `torch` policy; without them,
this machine is alone. It runs a process for each of its GPUs, or as many as `PET_NPROC_PER_NODE` says; `joined` starts them.
"""

import contextlib
import itertools
import json
import multiprocessing
import os
import re
import socket
import sys
from collections.abc import Callable, Iterator, Sequence
from multiprocessing.process import BaseProcess
from typing import Any

import keras
import tensorflow as tf

from components.common.errors import REASON_PREFIX, UserError, one_line_errors
from components.train.preemption import EXIT_STATUS

GROUP_KEY = 1_000_000  # beyond those that TensorFlow gives out itself
CHILDREN_END_WITHIN_S = 60
LOST = (tf.errors.UnavailableError, tf.errors.AbortedError, tf.errors.CancelledError, tf.errors.DeadlineExceededError)


class Group:
    """The processes that train together. All must call the same methods in the same order; alone, each call returns at once.

    Attributes:
        rank: of this process, counted from 0.
        size: how many there are.
    """

    def __init__(self, rank: int = 0, size: int = 1):
        self.rank, self.size = rank, size
        if size > 1:
            self._keys = itertools.count(1)
            self._token = tf.Variable(0.0)  # lets collectives start in the program's order, as NCCL must
            self._sum_now = tf.function(self._reduced)  # traced once, hence with the same key, for each shape

    @property
    def chief(self) -> bool:
        """Whether this process writes what all have trained."""
        return self.rank == 0

    def share_gradients(self, optimizer: keras.optimizers.Optimizer) -> None:
        """Has `optimizer` apply the mean of all processes' gradients."""
        if self.size == 1:
            return
        apply = optimizer.apply

        def apply_mean(gradients: Sequence[Any], variables: Sequence[Any] | None = None) -> None:
            mean = iter(self._mean([each for each in gradients if each is not None]))
            apply([each if each is None else next(mean) for each in gradients], variables)

        optimizer.apply = apply_mean

    def share_batchnorm(self, network: keras.Model) -> None:
        """Has each BatchNorm that is trained normalise by the rows of all processes, not by its own process's alone."""
        if self.size > 1:
            for layer in network._flatten_layers():
                if isinstance(layer, keras.layers.BatchNormalization):
                    layer._moments = lambda inputs, _, axes=layer._reduction_axes: self._moments(inputs, axes)

    def vary_dropout(self, network: keras.Model) -> None:
        """Has each process drop other units; to be called once the seeds are as the chief's: after building or restoring."""
        for variable in network.variables:
            if self.rank and variable.name == "seed_generator_state":
                variable.assign_add([self.rank, 0])

    def add_up(self, variables: Sequence[keras.Variable]) -> None:
        """Sets each variable to its sum over all processes: metrics, before their result is read."""
        if self.size > 1:
            for variable, value in zip(variables, self._mean([each.value for each in variables]), strict=True):
                variable.assign(value * self.size)

    def gather(self, number: float) -> list[float]:
        """The numbers that all processes called this with, by rank."""
        if self.size == 1:
            return [float(number)]
        return [float(each) for each in self._gathered(tf.constant(number, tf.float32))]

    def _moments(self, inputs: tf.Tensor, axes: Sequence[int]) -> tuple[tf.Tensor, tf.Tensor]:
        @tf.custom_gradient
        def everyone(own: tf.Tensor) -> tuple[tf.Tensor, Callable[[tf.Tensor], tf.Tensor]]:
            # what comes back to this process's moments, from its own loss and from those of the others
            return self._gathered(own), lambda upstream: self._sum(upstream)[self.rank]

        means, variances = tf.unstack(everyone(tf.stack(tf.nn.moments(inputs, axes))), axis=1)
        mean = tf.reduce_mean(means, axis=0)
        return mean, tf.reduce_mean(variances + tf.square(means - mean), axis=0)

    def _gathered(self, own: tf.Tensor) -> tf.Tensor:
        """Tensors of one shape -> `(size, *shape)`, by rank."""
        return self._sum(tf.stack([own if rank == self.rank else tf.zeros_like(own) for rank in range(self.size)]))

    def _mean(self, tensors: Sequence[tf.Tensor]) -> list[tf.Tensor]:
        flat = tf.concat([tf.reshape(tf.cast(each, tf.float32), [-1]) for each in tensors], axis=0)
        parts = tf.split(self._sum(flat) / self.size, [each.shape.num_elements() for each in tensors])
        return [tf.cast(tf.reshape(part, each.shape), each.dtype) for part, each in zip(parts, tensors, strict=True)]

    def _sum(self, tensor: tf.Tensor) -> tf.Tensor:
        # in a graph each place has a key of its own, as two may be reduced at the same time
        return self._sum_now(tensor) if tf.executing_eagerly() else self._reduced(tensor)

    def _reduced(self, tensor: tf.Tensor) -> tf.Tensor:
        return tf.raw_ops.CollectiveReduceV2(
            input=tensor,
            group_size=self.size,
            group_key=GROUP_KEY,
            instance_key=next(self._keys),
            ordering_token=[self._token.handle],
            merge_op="Add",
            final_op="Id",
            communication_hint="nccl",  # among GPUs; CPUs have but the ring
        )


@contextlib.contextmanager
def joined(run: Callable[..., None], *args: Any, **kwargs: Any) -> Iterator[Group]:
    """The group that this process belongs to, once all have come; to be entered before anything else of TensorFlow, once a process.

    Args:
        run: what the processes for this machine's other GPUs are to call, with `args` and `kwargs`; it enters `joined` too.

    Raises:
        UserError: the environment names no group, or another process of this machine ended with one.
        SystemExit: another process is gone; the code is `preemption.EXIT_STATUS`.
    """
    addresses, rank, local = places()
    if len(addresses) == 1:
        yield Group()
        return
    children = [_start(addresses, rank + each, each, run, args, kwargs) for each in range(1, local)]
    try:
        if children:
            tf.config.set_visible_devices(tf.config.list_physical_devices("GPU")[:1], "GPU")
        cluster = tf.train.ClusterSpec({"worker": addresses})
        # it opens the connections, and is not needed after that
        tf.distribute.MultiWorkerMirroredStrategy(
            tf.distribute.cluster_resolver.SimpleClusterResolver(cluster, task_type="worker", task_id=rank, rpc_layer="grpc")
        )
        group = Group(rank, len(addresses))
        yield group
        group.gather(0)  # nobody leaves before all have ended well
        for child in children:
            child.join(CHILDREN_END_WITHIN_S)
    except LOST as error:
        for child in children:
            child.join(CHILDREN_END_WITHIN_S)
            if child.exitcode == 1:
                raise UserError(f"worker {rank} of {len(addresses)}: another process on this machine failed, see above") from None
        reason = str(error).strip().splitlines()[-1][:200]
        sys.stderr.write(f"{REASON_PREFIX}worker {rank} of {len(addresses)}: another one has gone ({reason}); run again to go on\n")
        raise SystemExit(EXIT_STATUS) from None
    finally:
        for child in children:
            child.kill()
            child.join()


def places() -> tuple[list[str], int, int]:
    """The address of each process, which is this one, and how many are on this machine, from this one on."""
    if config := os.environ.get("TF_CONFIG"):
        hosts, node = _tf_config(config)
    else:
        hosts, node = _torchrun()
    gpus = len(tf.config.list_physical_devices("GPU"))
    wanted = os.environ.get("PET_NPROC_PER_NODE", "")
    local = int(wanted) if wanted.isdecimal() else max(1, gpus)
    if gpus and not 1 <= local <= gpus:
        raise UserError(f"PET_NPROC_PER_NODE: expected 1 to {gpus}, the GPUs of this machine, received {wanted}")
    if len(hosts) == 1:
        return free_addresses(local), 0, local
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
    if not name or not (nodes.isdecimal() and node.isdecimal() and port.isdecimal()):
        raise UserError(
            f"PET_NNODES, PET_NODE_RANK, PET_MASTER_ADDR, PET_MASTER_PORT: expected two numbers, the host name of rank 0, "
            f"which ends in -0, and a port, as Kubeflow Trainer sets them, received {nodes!r}, {node!r}, {master!r}, {port!r}"
        )
    return [f"{name[1]}{rank}{name[2] or ''}:{port}" for rank in range(int(nodes))], int(node)


def free_addresses(count: int) -> list[str]:
    with contextlib.ExitStack() as stack:
        sockets = [stack.enter_context(socket.create_server(("127.0.0.1", 0))) for _ in range(count)]
        return [f"127.0.0.1:{each.getsockname()[1]}" for each in sockets]


def _start(
    addresses: list[str], rank: int, gpu: int, run: Callable[..., None], args: tuple[Any, ...], kwargs: dict[str, Any]
) -> BaseProcess:
    config = {"cluster": {"worker": addresses}, "task": {"type": "worker", "index": rank}}
    environment = {"TF_CONFIG": json.dumps(config), "PET_NPROC_PER_NODE": "1"}
    if gpus := tf.config.list_physical_devices("GPU"):
        visible = os.environ.get("CUDA_VISIBLE_DEVICES") or ",".join(map(str, range(len(gpus))))
        environment["CUDA_VISIBLE_DEVICES"] = visible.split(",")[gpu]
    child = multiprocessing.get_context("spawn").Process(target=_run_child, args=(environment, run, args, kwargs))
    child.start()
    return child


def _run_child(environment: dict[str, str], run: Callable[..., None], args: tuple[Any, ...], kwargs: dict[str, Any]) -> None:
    os.environ.update(environment)
    with one_line_errors():
        run(*args, **kwargs)
