"""The end of a pipeline that trains: only a blessed SavedModel is validated, published and rolled out."""

from collections.abc import Callable
from typing import Any, List  # noqa: UP035 - kfp knows typing.List

from kfp import dsl

from components.deploy.component import deploy
from components.validate.component import validate
from pipelines.resources import Images, place

MODEL_NAME = "marque"


def push_pipeline(images: Images) -> Callable[..., Any]:
    """The steps validate and deploy, ready to be a task of another pipeline.

    It is a pipeline of its own, as kfp's compiler cannot hand collected artifacts into a condition.
    """

    @dsl.pipeline(name="push")
    def push(
        saved_model: dsl.Input[dsl.Model],
        evaluation: dsl.Input[dsl.Artifact],
        records: dsl.Input[List[dsl.Dataset]],  # noqa: UP006
        blessed: bool,
        validate_settings: dict,  # type: ignore[type-arg]
        repository: str,
        servers: str,
        keep_versions: int,
    ) -> None:
        with dsl.If(blessed == True, name="blessed"):  # noqa: E712 - kfp builds the condition from ==
            validated = validate(
                saved_model=saved_model,
                evaluation=evaluation,
                records=records,
                validate_settings=validate_settings,
                model_name=MODEL_NAME,
            )
            place(validated, "validate", images)
            deployed = deploy(
                saved_model=saved_model,
                evaluation=evaluation,
                validation=validated.outputs["validation"],
                repository=repository,
                model_name=MODEL_NAME,
                servers=servers,
                keep_versions=keep_versions,
            )
            place(deployed, "deploy", images)
            deployed.set_caching_options(False)

    return push
