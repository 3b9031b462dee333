"""Elastic Load Balancing: an Application Load Balancer's listeners are ports that the edge serves."""

from collections.abc import Callable
from typing import Any
from xml.sax.saxutils import escape

from ministack.services import alb

from sandbox.edge.config import Listener
from sandbox.plugin.context import Context
from sandbox.plugin.patching import wrap
from sandbox.plugin.resource_types import Create, Delete, Properties, Provisioned, handlers
from sandbox.plugin.responses import Action, Response
from sandbox.ports import EDGE_PORTS, HOST


def install(context: Context) -> None:
    """Serve the listeners that CloudFormation creates."""
    _provision_load_balancers(context)
    _provision_listeners(context)
    _provision_target_groups(context)
    _describe_health(context)


def _provision_load_balancers(context: Context) -> None:
    entry = handlers("AWS::ElasticLoadBalancingV2::LoadBalancer")

    @wrap(entry, "create")
    def create(original: Create, logical_id: str, props: Properties, stack_name: str) -> Provisioned:
        arn, attributes = original(logical_id, props, stack_name)
        address = f"{HOST}:{context.ports.get(_port_name(arn))}"
        alb._lbs[arn]["DNSName"] = address
        return arn, attributes | {"DNSName": address}

    @wrap(entry, "delete")
    def delete(original: Delete, physical_id: str, props: Properties) -> None:
        original(physical_id, props)
        context.ports.release(_port_name(physical_id))


def _provision_listeners(context: Context) -> None:
    entry = handlers("AWS::ElasticLoadBalancingV2::Listener")

    def serve(arn: str, forward: dict[str, int]) -> None:
        listener = alb._listeners[arn]
        if forward:
            timeout = _attribute(listener["LoadBalancerArn"], "idle_timeout.timeout_seconds", "60")
            port = _port(context, listener)
            context.edge.put_listener(Listener(port=port, forward=forward, idle_timeout=float(timeout)))

    @wrap(entry, "create")
    def create(original: Create, logical_id: str, props: Properties, stack_name: str) -> Provisioned:
        provisioned: Provisioned = original(logical_id, props, stack_name)
        serve(provisioned[0], _forward(props))
        return provisioned

    @wrap(entry, "update")
    def update(
        original: Callable[..., Provisioned],
        physical_id: str,
        old_props: Properties,
        new_props: Properties,
        *rest: object,
    ) -> Provisioned:
        provisioned = original(physical_id, old_props, new_props, *rest)
        serve(provisioned[0], _forward(new_props))
        return provisioned

    @wrap(entry, "delete")
    def delete(original: Delete, physical_id: str, props: Properties) -> None:
        listener = alb._listeners.get(physical_id)
        if listener is not None:
            context.edge.remove_listener(_port(context, listener))
            if not _is_first(listener):
                context.ports.release(_port_name(physical_id))
        original(physical_id, props)


def _provision_target_groups(context: Context) -> None:
    @wrap(handlers("AWS::ElasticLoadBalancingV2::TargetGroup"), "delete")
    def delete(original: Delete, physical_id: str, props: Properties) -> None:
        context.edge.remove_target_group(physical_id)
        original(physical_id, props)


def _describe_health(context: Context) -> None:
    # The edge knows the targets; ministack calls every registered one healthy.
    @wrap(alb._ACTION_MAP, "DescribeTargetHealth")
    def describe_target_health(original: Action, params: dict[str, Any]) -> Response:
        arn = alb._p(params, "TargetGroupArn")
        if arn not in alb._tgs:
            return original(params)
        members = "".join(
            f"<member><Target><Id>{escape(target.host)}</Id><Port>{target.port}</Port></Target>"
            f"<TargetHealth><State>{target.state}</State></TargetHealth></member>"
            for target in context.edge.targets(arn)
        )
        descriptions = f"<TargetHealthDescriptions>{members}</TargetHealthDescriptions>"
        return alb._xml(200, "DescribeTargetHealth", descriptions)  # type: ignore[no-any-return]


def _forward(properties: Properties) -> dict[str, int]:
    """Return the weight of each target group that a listener's default actions forward to."""
    weights: dict[str, int] = {}
    for action in properties.get("DefaultActions", []):
        if "TargetGroupArn" in action:
            weights[action["TargetGroupArn"]] = 1
        for group in action.get("ForwardConfig", {}).get("TargetGroups", []):
            weights[group["TargetGroupArn"]] = int(group.get("Weight", 1))
    return weights


def _attribute(load_balancer: str, key: str, default: str) -> str:
    attributes = alb._lb_attrs.get(load_balancer, [])
    return next((each["Value"] for each in attributes if each["Key"] == key), default)


def _port(context: Context, listener: dict[str, Any]) -> int:
    # The first listener has the port in the load balancer's DNS name, which is all that anybody is told.
    owner = listener["LoadBalancerArn"] if _is_first(listener) else listener["ListenerArn"]
    return context.ports.get(_port_name(owner))


def _is_first(listener: dict[str, Any]) -> bool:
    siblings = (
        each["ListenerArn"]
        for each in alb._listeners.values()
        if each["LoadBalancerArn"] == listener["LoadBalancerArn"]
    )
    return bool(next(siblings) == listener["ListenerArn"])


def _port_name(arn: str) -> str:
    return EDGE_PORTS + arn.rpartition(":")[2]
