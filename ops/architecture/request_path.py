"""The way of a request, found by following references: accelerator, load balancer, service, its stores."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from ops.architecture.vocabulary import fact, term_of
from ops.assembly import Assembly, Resource

_ACCELERATOR = "AWS::GlobalAccelerator::Accelerator"
_ENDPOINT_GROUP = "AWS::GlobalAccelerator::EndpointGroup"
_LOAD_BALANCER = "AWS::ElasticLoadBalancingV2::LoadBalancer"
_LISTENER = "AWS::ElasticLoadBalancingV2::Listener"
_TARGET_GROUP = "AWS::ElasticLoadBalancingV2::TargetGroup"
_SERVICE = "AWS::ECS::Service"
_TASK_DEFINITION = "AWS::ECS::TaskDefinition"
_STORES = ("AWS::RDS::DBProxy", "AWS::RDS::DBCluster", "AWS::ElastiCache::ServerlessCache")


@dataclass(frozen=True)
class Step:
    """A station of the way; `layer` is the stack that owns it, and a store may stand beside another."""

    label: str
    detail: str
    layer: str
    beside_previous: bool = False


def steps(assembly: Assembly) -> tuple[Step, ...]:
    """Return the stations of a request; none where no service stands behind a load balancer."""
    for service in _of_type(assembly, _SERVICE):
        groups = _referents(assembly, service, _TARGET_GROUP)
        listeners = [each for each in _of_type(assembly, _LISTENER) if _uses_any(assembly, each, groups)]
        balancers = _unique(
            balancer for each in listeners for balancer in _referents(assembly, each, _LOAD_BALANCER)
        )
        if balancers:
            stores = _unique(
                store
                for definition in _referents(assembly, service, _TASK_DEFINITION)
                for kind in _STORES
                for store in _referents(assembly, definition, kind)
            )
            front = (_balancer_step(assembly, each, listeners) for each in balancers)
            return (
                *_accelerator_steps(assembly, balancers),
                *front,
                _service_step(assembly, service),
                *_store_steps(stores),
            )
    return ()


def _accelerator_steps(assembly: Assembly, balancers: list[Resource]) -> Iterator[Step]:
    """Yield the accelerators of these templates that lead to a load balancer."""
    if any(_uses_any(assembly, group, balancers) for group in _of_type(assembly, _ENDPOINT_GROUP)):
        for each in _of_type(assembly, _ACCELERATOR):
            yield Step(term_of(each.type).noun, "", each.stack)


def _balancer_step(assembly: Assembly, balancer: Resource, listeners: list[Resource]) -> Step:
    mine = [each for each in listeners if balancer in _referents(assembly, each, _LOAD_BALANCER)]
    details = [fact(each) for each in mine]
    if any(
        balancer in assembly.referents(each) for each in _of_type(assembly, "AWS::WAFv2::WebACLAssociation")
    ):
        details.append("web firewall")
    return Step(term_of(balancer.type).noun, ", ".join(details), balancer.stack)


def _service_step(assembly: Assembly, service: Resource) -> Step:
    scaling = [
        fact(each)
        for each in _of_type(assembly, "AWS::ApplicationAutoScaling::ScalableTarget")
        if service in assembly.referents(each)
    ]
    return Step(term_of(service.type).noun, ", ".join(scaling), service.stack)


def _store_steps(stores: list[Resource]) -> Iterator[Step]:
    for index, store in enumerate(stores):
        yield Step(term_of(store.type).noun, fact(store), store.stack, beside_previous=index > 0)


def _of_type(assembly: Assembly, kind: str) -> list[Resource]:
    return [resource for resource in assembly.resources if resource.type == kind]


def _referents(assembly: Assembly, resource: Resource, kind: str) -> list[Resource]:
    return _unique(each for each in assembly.referents(resource) if each.type == kind)


def _uses_any(assembly: Assembly, resource: Resource, wanted: list[Resource]) -> bool:
    return any(each in wanted for each in assembly.referents(resource))


def _unique(resources: Iterable[Resource]) -> list[Resource]:
    return list({(each.stack, each.logical_id): each for each in resources}.values())
