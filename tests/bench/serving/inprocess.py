"""`python -m tests.bench.serving.inprocess SAVED_MODEL PHOTO...`: the SavedModel without a server; JSON on the last line."""

import json
import time
from pathlib import Path

import click
import numpy as np

from components.common.quiet import quiet_tensorflow

with quiet_tensorflow():
    import tensorflow as tf

BATCH = 32
WARM_UP_CALLS = 5


@click.command()
@click.argument("saved_model", type=click.Path(path_type=Path))
@click.argument("photos", nargs=-1, type=click.Path(path_type=Path))
@click.option("--seconds", default=5.0, help="How long to measure each.")
def main(saved_model: Path, photos: tuple[Path, ...], seconds: float) -> None:
    """Calls with one photo: seconds of each. Calls with 32: photos a second."""
    loaded = tf.saved_model.load(str(saved_model))
    signature = loaded.signatures["serving_default"]
    jpegs = [path.read_bytes() for path in photos]
    single = _calls(signature, jpegs, 1, seconds)
    batched = _calls(signature, jpegs, BATCH, seconds)
    result = {
        "p50_ms": float(np.percentile(single, 50) * 1e3),
        "p99_ms": float(np.percentile(single, 99) * 1e3),
        "photos_per_s": BATCH * len(batched) / sum(batched),
    }
    click.echo(json.dumps(result))


def _calls(signature: "tf.types.experimental.ConcreteFunction", jpegs: list[bytes], batch: int, seconds: float) -> list[float]:
    """Seconds of each call, from bytes to arrays, the first ones left out."""
    times: list[float] = []
    number = 0
    while number < WARM_UP_CALLS or sum(times) < seconds:
        chosen = [jpegs[(number * batch + place) % len(jpegs)] for place in range(batch)]
        began = time.perf_counter()
        for value in signature(jpeg=tf.constant(chosen)).values():
            value.numpy()
        if number >= WARM_UP_CALLS:
            times.append(time.perf_counter() - began)
        number += 1
    return times


if __name__ == "__main__":
    main()
