"""The tuning pipeline: wiring only.

1. ingest    source of labelled photos -> checked dataset
2. shard     dataset -> class-balanced TFRecords, `shard_tasks` tasks side by side
3. tune      TFRecords -> trials in a shared study, `workers` tasks side by side
4. best      the study -> the best settings, a page
5. train, export, evaluate, validate, deploy as in `training.py`, with the best settings
"""

from collections.abc import Callable
from typing import Any, List, NamedTuple  # noqa: UP035 - kfp knows typing.List

from kfp import dsl, kubernetes

from components.tune.component import best, tune
from pipelines.push import push_pipeline
from pipelines.resources import Images, place
from pipelines.training import ingest_and_shard, train_and_deploy

STUDY_MOUNT = "/study"


class Found(NamedTuple):
    """What the search leaves."""

    settings: dict  # type: ignore[type-arg]
    tuning: dsl.Artifact


class Outputs(NamedTuple):
    """What a run leaves for its caller."""

    dataset: dsl.Dataset
    evaluation: dsl.Artifact
    blessed: bool
    tuning: dsl.Artifact


def tuning_pipeline(
    images: Images, *, shard_tasks: int = 2, workers: int = 2, gpus: int = 0, retries: int = 0, study_volume: str = ""
) -> Callable[..., Any]:
    """The pipeline, ready to compile.

    Args:
        images: of the steps: one of all, or one of each kind.
        shard_tasks: tasks of shard that run side by side.
        workers: tasks of tune that run side by side.
        gpus: for the train step; each task of tune has one at most.
        retries: of the train step and of each task of tune, for nodes that may be taken away.
        study_volume: a PersistentVolumeClaim (ReadWriteMany) that is mounted at /study where the study is used; none where empty.
    """

    def place_by_the_study(task: dsl.PipelineTask, step: str, **options: int) -> None:
        place(task, step, images, **options)
        if study_volume:
            kubernetes.mount_pvc(task, pvc_name=study_volume, mount_path=STUDY_MOUNT)
        # the study is what remembers
        task.set_caching_options(False)

    # a pipeline of its own, as kfp's compiler cannot hand collected artifacts into a loop
    @dsl.pipeline(name="search")
    def search(
        records: dsl.Input[List[dsl.Dataset]],  # noqa: UP006
        study: str,
        train_settings: dict,  # type: ignore[type-arg]
        space: dict,  # type: ignore[type-arg]
        trials: int,
        trial_epochs: int,
        startup_trials: int,
    ) -> Found:
        with dsl.ParallelFor(list(range(workers)), name="workers") as worker:
            tuned = tune(
                records=records,
                study=study,
                train_settings=train_settings,
                space=space,
                trials=trials,
                trial_epochs=trial_epochs,
                startup_trials=startup_trials,
                worker=worker,
                workers=workers,
            )
            place_by_the_study(tuned, "tune", gpus=min(gpus, 1), retries=retries)
        chosen = best(study=study, names=dsl.Collected(tuned.output))
        place_by_the_study(chosen, "best")
        return Found(chosen.outputs["Output"], chosen.outputs["tuning"])

    push = push_pipeline(images)

    @dsl.pipeline(name="marque-tuning", description="Labelled car photos -> the best settings found -> a model trained with them.")
    def pipeline(
        source: str,
        repository: str,
        study: str,
        source_version: str = "",
        sha256: str = "",
        split_seed: int = 0,
        validation_share: float = 0.15,
        max_rejected_share: float = 0.05,
        shard_bytes: int = 64 * 2**20,
        train_settings: dict = {},  # type: ignore[type-arg]  # noqa: B006 - kfp writes it into the YAML
        space: dict = {},  # type: ignore[type-arg]  # noqa: B006
        trials: int = 20,
        trial_epochs: int = 5,
        startup_trials: int = 5,
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

        found = search(
            records=dsl.Collected(sharded.outputs["records"]),
            study=study,
            train_settings=train_settings,
            space=space,
            trials=trials,
            trial_epochs=trial_epochs,
            startup_trials=startup_trials,
        )

        evaluated = train_and_deploy(
            images,
            gpus,
            retries,
            push,
            ingested=ingested,
            sharded=sharded,
            train_settings=found.outputs["settings"],
            checkpoints=checkpoints,
            repository=repository,
            gate_settings=gate_settings,
            champion=champion,
            override=override,
            validate_settings=validate_settings,
            servers=servers,
            keep_versions=keep_versions,
        )
        return Outputs(
            ingested.outputs["dataset"],
            evaluated.outputs["evaluation"],
            evaluated.outputs["Output"],
            found.outputs["tuning"],
        )

    return pipeline
