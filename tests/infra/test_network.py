"""Who reaches whom: the NetworkPolicies of every overlay."""

from collections.abc import Callable
from ipaddress import ip_address, ip_network
from typing import Any

import pytest

from .conftest import Objects, named


def test_what_is_named_alone_gets_in_and_out(objects: Objects) -> None:
    nothing = named(objects, "NetworkPolicy", "nothing-else")
    assert nothing["metadata"]["namespace"] == "marque-serving"
    assert nothing["spec"] == {"podSelector": {}, "policyTypes": ["Ingress", "Egress"]}
    assert named(objects, "NetworkPolicy", "steps")["spec"]["policyTypes"] == ["Ingress", "Egress"]
    policies = [each for each in objects if each["kind"] == "NetworkPolicy"]
    for policy in policies:
        for rule in policy["spec"].get("ingress", []):
            assert rule.get("from"), f"{policy['metadata']['name']} admits everyone"
        for rule in policy["spec"].get("egress", []):
            assert rule.get("to"), f"{policy['metadata']['name']} lets everything out"


def reached(policy: dict[str, Any], ip: str, port: int) -> bool:
    """Whether `policy` lets its pods out to an address that is no pod's."""
    for rule in policy["spec"].get("egress", []):
        blocks = [each["ipBlock"] for each in rule["to"] if "ipBlock" in each]
        within = any(
            ip_address(ip) in ip_network(block["cidr"])
            and not any(ip_address(ip) in ip_network(but) for but in block.get("except", []))
            for block in blocks
        )
        if within and port in [each["port"] for each in rule.get("ports", [])] + [port] * ("ports" not in rule):
            return True
    return False


@pytest.mark.parametrize(("overlay", "metadata"), [("kind", False), ("gke", True), ("on-prem", False)])
def test_steps_reach_all_but_the_nodes_metadata(render: Callable[[str], Objects], overlay: str, metadata: bool) -> None:
    steps = named(render(overlay), "NetworkPolicy", "steps")
    assert {"namespaceSelector": {}} in steps["spec"]["egress"][0]["to"], "Cilium takes no pod for part of a block of addresses"
    assert reached(steps, "203.0.113.7", 443)
    assert reached(steps, "10.0.0.1", 443)
    assert reached(steps, "169.254.169.254", 80) == metadata
    assert not reached(steps, "169.254.169.254", 443)


@pytest.mark.parametrize(("overlay", "bucket"), [("kind", False), ("gke", True), ("on-prem", False)])
def test_servers_reach_a_bucket_where_models_are_in_one_and_nothing_else(
    render: Callable[[str], Objects], overlay: str, bucket: bool
) -> None:
    serving = named(render(overlay), "NetworkPolicy", "tf-serving")
    assert reached(serving, "203.0.113.7", 443) == reached(serving, "169.254.169.254", 80) == bucket
    assert not reached(serving, "203.0.113.7", 80)
    assert not reached(serving, "10.0.0.1", 443)


def test_all_pods_ask_the_clusters_dns_and_a_nodes_cache(objects: Objects) -> None:
    dns = named(objects, "NetworkPolicy", "dns")
    assert dns["metadata"]["namespace"] == "marque-serving"
    assert dns["spec"]["podSelector"] == {}
    [rule] = dns["spec"]["egress"]
    assert {"namespaceSelector": {"matchLabels": {"kubernetes.io/metadata.name": "kube-system"}}} in rule["to"]
    assert {(port["protocol"], port["port"]) for port in rule["ports"]} == {("UDP", 53), ("TCP", 53)}
    for policy in (dns, named(objects, "NetworkPolicy", "steps")):
        assert reached(policy, "169.254.20.10", 53)
        assert not reached(policy, "169.254.20.10", 443)


def test_metrics_and_clients_alone_reach_the_servers(render: Callable[[str], Objects]) -> None:
    clients, metrics = named(render("gke"), "NetworkPolicy", "tf-serving")["spec"]["ingress"]
    assert {key for source in clients["from"] for selector in source.values() for key in selector["matchLabels"]} == {
        "marque/client"
    }
    assert [each["port"] for each in clients["ports"]] == ["grpc", "rest"]
    assert metrics["from"] == [{"namespaceSelector": {"matchLabels": {"marque/monitoring": "true"}}}]
    assert [each["port"] for each in metrics["ports"]] == ["rest"]
