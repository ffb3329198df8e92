"""Training in several processes side by side, one a GPU: each takes its rows of every batch, and all apply the same mean gradient.

- What they come to is what one process comes to with the same batch, but for rounding (and dropout's and augmentation's draws).
- A process knows of the others only here: its model, optimizer and checkpoint are those of training alone. The first process is the
  chief, which writes. When a process dies, the others end with `preemption.EXIT_STATUS`, to go on together from the checkpoint.
- The reductions are TensorFlow's collectives, over gRPC between CPUs and NCCL between GPUs. Not its strategies' variables: in Keras
  3.15 they fail with gradient accumulation (keras-team/keras #20582) and, in several processes, with any metric (#20585), and they
  drop the same units on every replica and let BatchNorm's statistics drift apart.
"""

import contextlib
import itertools
import json
import multiprocessing
import os
import sys
from collections.abc import Callable, Iterator, Sequence
from multiprocessing.process import BaseProcess
from typing import Any

import keras
import tensorflow as tf

from components.common.errors import REASON_PREFIX, UserError, one_line_errors
from components.train.places import places
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
