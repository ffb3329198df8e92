"""What the tests of a cluster would make is right before there is a cluster: needs none."""

import kubernetes_validate
import pytest
from kubernetes_validate.utils import latest_version

from .manifests import claim, job, namespace


@pytest.mark.parametrize(
    "thing", [namespace("a"), claim("a"), job("b", "a", "registry.test/marque-data:1", ["true"], volumes={"/work": "work"})]
)
def test_kubernetes_takes_it(thing: dict[str, object]) -> None:
    kubernetes_validate.validate(thing, latest_version(), strict=True)
