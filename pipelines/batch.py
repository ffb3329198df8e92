"""The batch pipeline: wiring only.

1. list_photos  folder or bucket of photos -> chunks, the same for the same photos
2. predict      a chunk's photos -> a parquet of answers in the output place, `tasks` tasks side by side
3. collect      all parts -> predictions.parquet and summary.json, beside them

No task is ever taken from kfp's cache: it would hand out an old listing of a bucket that has new photos, and would take parts for
written that somebody has deleted since. The parts themselves are what is remembered: each task leaves alone those that are there.
"""

from collections.abc import Callable
from typing import Any, NamedTuple

from kfp import dsl

from components.predict.component import collect, list_photos, predict
from pipelines.resources import Images, place


class Outputs(NamedTuple):
    """What a run leaves for its caller."""

    summary: dsl.Artifact


def batch_pipeline(images: Images, *, tasks: int = 2, retries: int = 0) -> Callable[..., Any]:
    """The pipeline, ready to compile.

    Args:
        images: of the steps: one of all, or one of each kind.
        tasks: of predict that run side by side.
        retries: of each task of predict, for nodes that may be taken away.
    """

    @dsl.pipeline(name="marque-batch", description="A folder or bucket of photos -> one table of the cars in them.")
    def pipeline(photos: str, model: str, output: str, chunk_photos: int = 1000, batch: int = 32) -> Outputs:
        listed = list_photos(photos=photos, chunk_photos=chunk_photos)
        with dsl.ParallelFor(list(range(tasks)), name="tasks") as task:
            predicted = predict(listing=listed.outputs["listing"], model=model, output=output, batch=batch, task=task, tasks=tasks)
            place(predicted, "predict", images, retries=retries)
            predicted.set_caching_options(False)
        collected = collect(listing=listed.outputs["listing"], reports=dsl.Collected(predicted.output), model=model, output=output)
        for step, name in ((listed, "list_photos"), (collected, "collect")):
            place(step, name, images)
            step.set_caching_options(False)
        return Outputs(collected.outputs["summary"])

    return pipeline
