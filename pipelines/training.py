"""The training pipeline: wiring only.

1. ingest    source of labelled photos -> checked dataset
2. shard     dataset -> class-balanced TFRecords, `shard_tasks` tasks side by side
3. sanity    with the parameter `sanity`: ends a run early that would come to nothing
4. train     TFRecords -> the trained model
5. export    trained model -> SavedModel
6. evaluate  SavedModel, test records and the champion -> metrics, report, model card, verdict
7. validate  only a blessed SavedModel, in a fresh server -> recorded requests, latency, memory; or the end of the run
8. deploy    the SavedModel -> the next version in the model repository, then on `servers`: canary, stable

The champion is the published version that the new model has to beat; it is looked up once the new one is there.
"""

from collections.abc import Callable, Sequence
from typing import Any, List, NamedTuple  # noqa: UP035 - kfp knows typing.List

from kfp import dsl

from components.deploy.component import find_champion
from components.evaluate.component import evaluate
from components.export.component import export
from components.ingest.component import ingest
from components.shard.component import shard
from components.train.component import train
from components.train.sanity.component import sanity as check
from pipelines.push import MODEL_NAME, push_pipeline
from pipelines.resources import Images, place


class Outputs(NamedTuple):
    """What a run leaves for its caller."""

    dataset: dsl.Dataset
    evaluation: dsl.Artifact
    blessed: bool


def training_pipeline(images: Images, *, shard_tasks: int = 2, gpus: int = 0, retries: int = 0) -> Callable[..., Any]:
    """The pipeline, ready to compile.

    Args:
        images: of the steps: one of all, or one of each kind.
        shard_tasks: tasks of shard that run side by side.
        gpus: for the train step; sanity has one of them at most.
        retries: of the train step, for nodes that may be taken away.
    """

    # a pipeline of its own, as nothing outside a condition can wait for what is inside
    @dsl.pipeline(name="sanity-first")
    def sanity_first(
        records: dsl.Input[List[dsl.Dataset]],  # noqa: UP006
        train_settings: dict,  # type: ignore[type-arg]
        wanted: bool,
    ) -> None:
        with dsl.If(wanted == True, name="wanted"):  # noqa: E712 - kfp builds the condition from ==
            place(check(records=records, train_settings=train_settings), "sanity", images, min(gpus, 1))

    push = push_pipeline(images)

    @dsl.pipeline(name="marque-training", description="Labelled car photos -> a model that names the car and finds it.")
    def pipeline(
        source: str,
        repository: str,
        source_version: str = "",
        sha256: str = "",
        split_seed: int = 0,
        validation_share: float = 0.15,
        max_rejected_share: float = 0.05,
        shard_bytes: int = 64 * 2**20,
        train_settings: dict = {},  # type: ignore[type-arg]  # noqa: B006 - kfp writes it into the YAML
        sanity: bool = False,
        checkpoints: str = "",
        gate_settings: dict = {},  # type: ignore[type-arg]  # noqa: B006
        champion: str = "newest",
        override: str = "",
        validate_settings: dict = {},  # type: ignore[type-arg]  # noqa: B006
        servers: str = "",
        keep_versions: int = 5,
    ) -> Outputs:
        ingested, sharded = ingest_and_shard(
            images,
            shard_tasks,
            source=source,
            source_version=source_version,
            sha256=sha256,
            split_seed=split_seed,
            validation_share=validation_share,
            max_rejected_share=max_rejected_share,
            shard_bytes=shard_bytes,
        )
        checked = sanity_first(
            records=dsl.Collected(sharded.outputs["records"]),
            train_settings=train_settings,
            wanted=sanity,
        )
        evaluated = train_and_deploy(
            images,
            gpus,
            retries,
            push,
            ingested=ingested,
            sharded=sharded,
            after=[checked],
            train_settings=train_settings,
            checkpoints=checkpoints,
            repository=repository,
            gate_settings=gate_settings,
            champion=champion,
            override=override,
            validate_settings=validate_settings,
            servers=servers,
            keep_versions=keep_versions,
        )
        return Outputs(ingested.outputs["dataset"], evaluated.outputs["evaluation"], evaluated.outputs["Output"])

    return pipeline


def ingest_and_shard(
    images: Images,
    shard_tasks: int,
    *,
    source: str,
    source_version: str,
    sha256: str,
    split_seed: int,
    validation_share: float,
    max_rejected_share: float,
    shard_bytes: int,
) -> tuple[dsl.PipelineTask, dsl.PipelineTask]:
    """Steps 1 and 2; returns the task of ingest and the one of shard, whose `records` are to be collected."""
    ingested = ingest(
        source=source,
        source_version=source_version,
        sha256=sha256,
        split_seed=split_seed,
        validation_share=validation_share,
        max_rejected_share=max_rejected_share,
    )
    place(ingested, "ingest", images)

    with dsl.ParallelFor(list(range(shard_tasks)), name="shards") as task:
        sharded = shard(dataset=ingested.outputs["dataset"], task=task, tasks=shard_tasks, shard_bytes=shard_bytes, seed=split_seed)
        place(sharded, "shard", images)
    return ingested, sharded


def train_and_deploy(
    images: Images,
    gpus: int,
    retries: int,
    push: Callable[..., Any],
    *,
    ingested: dsl.PipelineTask,
    sharded: dsl.PipelineTask,
    after: Sequence[dsl.PipelineTask] = (),
    train_settings: Any,
    checkpoints: str,
    repository: str,
    gate_settings: Any,
    champion: str,
    override: str,
    validate_settings: Any,
    servers: str,
    keep_versions: int,
) -> dsl.PipelineTask:
    """Steps 4 to 8, once those in `after` have ended well, with a `push_pipeline`; returns the task of evaluate."""
    trained = train(
        records=dsl.Collected(sharded.outputs["records"]),
        train_settings=train_settings,
        checkpoints=checkpoints,
    )
    trained.after(*after)
    place(trained, "train", images, gpus, retries)

    exported = export(model=trained.outputs["model"], model_name=MODEL_NAME)
    place(exported, "export", images)

    found = find_champion(repository=repository, model_name=MODEL_NAME, champion=champion)
    found.after(exported)
    found.set_caching_options(False)
    place(found, "find_champion", images)

    evaluated = evaluate(
        saved_model=exported.outputs["saved_model"],
        model=trained.outputs["model"],
        dataset=ingested.outputs["dataset"],
        records=dsl.Collected(sharded.outputs["records"]),
        gate_settings=gate_settings,
        champion=found.output,
        override=override,
    )
    place(evaluated, "evaluate", images)

    push(
        saved_model=exported.outputs["saved_model"],
        evaluation=evaluated.outputs["evaluation"],
        records=dsl.Collected(sharded.outputs["records"]),
        blessed=evaluated.outputs["Output"],
        validate_settings=validate_settings,
        repository=repository,
        servers=servers,
        keep_versions=keep_versions,
    )
    return evaluated
