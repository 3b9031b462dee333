"""Elastic Load Balancing: the local load balancer serves each load balancer at the one port in its DNS name.

What is served there is the listener that forwards; an HTTPS one goes before one that speaks HTTP. Listeners
that redirect exist without behaviour: there is no second port.
"""

import functools
from collections.abc import MutableMapping
from typing import Any
from xml.sax.saxutils import escape

from ministack.services import alb

from sandbox.load_balancer.config import Listener
from sandbox.plugin import firewall
from sandbox.plugin.context import Context
from sandbox.plugin.patching import wrap
from sandbox.plugin.resource_types import Create, Delete, Properties, Provisioned, follow_changes, handlers
from sandbox.plugin.responses import Action, Response
from sandbox.ports import HOST, LOAD_BALANCER_PORTS

Record = dict[str, Any]

# On ministack's record of a listener or a rule: the weight of each target group that it forwards to.
_FORWARD = "_forward"
_PROTECTED = "Load balancer '{}' cannot be deleted because deletion protection is enabled"


def install(context: Context) -> None:
    """Serve the listeners that CloudFormation creates."""
    _provision_load_balancers(context)
    _provision_listeners(context)
    _provision_target_groups(context)
    _describe_health(context)
    firewall.follow(functools.partial(_serve, context))


def _provision_load_balancers(context: Context) -> None:
    # ministack deletes a load balancer that has deletion protection.
    # https://docs.aws.amazon.com/elasticloadbalancing/latest/APIReference/API_DeleteLoadBalancer.html
    entry = handlers("AWS::ElasticLoadBalancingV2::LoadBalancer")

    def stop_serving(arn: str) -> None:
        context.load_balancer.remove_listener(context.ports.get(_port_name(arn)))
        context.ports.release(_port_name(arn))

    @wrap(entry, "create")
    def create(original: Create, logical_id: str, props: Properties, stack_name: str) -> Provisioned:
        arn, attributes = original(logical_id, props, stack_name)
        address = f"{HOST}:{context.ports.get(_port_name(arn))}"
        alb._lbs[arn]["DNSName"] = address
        return arn, attributes | {"DNSName": address}

    @wrap(entry, "delete")
    def delete(original: Delete, physical_id: str, props: Properties) -> None:
        if _is_protected(physical_id):
            raise ValueError(_PROTECTED.format(physical_id))
        original(physical_id, props)
        stop_serving(physical_id)

    @wrap(alb._ACTION_MAP, "DeleteLoadBalancer")
    def delete_load_balancer(original: Action, params: dict[str, Any]) -> Response:
        arn = alb._p(params, "LoadBalancerArn")
        if _is_protected(arn):
            return alb._error("OperationNotPermitted", _PROTECTED.format(arn))  # type: ignore[no-any-return]
        response = original(params)
        stop_serving(arn)
        return response


def _provision_listeners(context: Context) -> None:
    for resource_type, store, actions in (
        ("AWS::ElasticLoadBalancingV2::Listener", alb._listeners, "DefaultActions"),
        ("AWS::ElasticLoadBalancingV2::ListenerRule", alb._rules, "Actions"),
    ):
        _follow(context, handlers(resource_type), store, actions)


def _follow(
    context: Context, entry: dict[str, Any], store: MutableMapping[str, Record], actions: str
) -> None:
    """Serve a load balancer again whenever a resource changes where it forwards to."""

    def changed(provisioned: Provisioned, props: Properties) -> Provisioned:
        record = store[provisioned[0]]
        # ministack keeps no weights.
        # https://docs.aws.amazon.com/elasticloadbalancing/latest/APIReference/API_TargetGroupTuple.html
        record[_FORWARD] = _forward(props.get(actions, []))
        _serve(context, _balancer(record))
        return provisioned

    follow_changes(entry, changed)

    @wrap(entry, "delete")
    def delete(original: Delete, physical_id: str, props: Properties) -> None:
        record = store.get(physical_id)
        balancer = _balancer(record) if record else ""
        original(physical_id, props)
        _serve(context, balancer)


def _balancer(record: Record) -> str:
    """Return the ARN of the load balancer that a listener or a listener's rule belongs to."""
    listener = alb._listeners.get(record["ListenerArn"], {})
    return str(listener.get("LoadBalancerArn", ""))


def _serve(context: Context, balancer: str) -> None:
    if balancer not in alb._lbs:
        return
    port = context.ports.get(_port_name(balancer))
    serving = [each for each in _listeners(balancer) if _targets(each)]
    if not serving:
        context.load_balancer.remove_listener(port)
        return
    listener = min(serving, key=lambda each: (each["Protocol"] != "HTTPS", each["Port"]))
    timeout = _attribute(balancer, "idle_timeout.timeout_seconds", "60")
    context.load_balancer.put_listener(
        Listener(
            port=port,
            forward=_targets(listener),
            idle_timeout=float(timeout),
            secure=listener["Protocol"] == "HTTPS",
            blocking_rules=firewall.blocking_rules(balancer),
        )
    )


def _listeners(balancer: str) -> list[Record]:
    return [each for each in alb._listeners.values() if each["LoadBalancerArn"] == balancer]


def _targets(listener: Record) -> dict[str, int]:
    """Return where a listener forwards to: by its first rule that does, else by its default action."""
    rules = [each for each in alb._rules.values() if each["ListenerArn"] == listener["ListenerArn"]]
    forwarding = [each for each in rules if each.get(_FORWARD)]
    first = min(forwarding, key=lambda each: int(each["Priority"]), default=listener)
    return dict(first.get(_FORWARD, {}))


def _provision_target_groups(context: Context) -> None:
    @wrap(handlers("AWS::ElasticLoadBalancingV2::TargetGroup"), "delete")
    def delete(original: Delete, physical_id: str, props: Properties) -> None:
        context.load_balancer.remove_target_group(physical_id)
        original(physical_id, props)


def _describe_health(context: Context) -> None:
    # The load balancer knows the targets; ministack calls every registered one healthy.
    # https://docs.aws.amazon.com/elasticloadbalancing/latest/APIReference/API_DescribeTargetHealth.html
    @wrap(alb._ACTION_MAP, "DescribeTargetHealth")
    def describe_target_health(original: Action, params: dict[str, Any]) -> Response:
        arn = alb._p(params, "TargetGroupArn")
        if arn not in alb._tgs:
            return original(params)
        members = "".join(
            f"<member><Target><Id>{escape(target.host)}</Id><Port>{target.port}</Port></Target>"
            f"<TargetHealth><State>{target.state}</State></TargetHealth></member>"
            for target in context.load_balancer.targets(arn)
        )
        descriptions = f"<TargetHealthDescriptions>{members}</TargetHealthDescriptions>"
        return alb._xml(200, "DescribeTargetHealth", descriptions)  # type: ignore[no-any-return]


def _forward(actions: list[Properties]) -> dict[str, int]:
    """Return the weight of each target group that actions forward to."""
    weights: dict[str, int] = {}
    for action in actions:
        if "TargetGroupArn" in action:
            weights[action["TargetGroupArn"]] = 1
        for group in action.get("ForwardConfig", {}).get("TargetGroups", []):
            weights[group["TargetGroupArn"]] = int(group.get("Weight", 1))
    return weights


def _attribute(load_balancer: str, key: str, default: str) -> str:
    attributes = alb._lb_attrs.get(load_balancer, [])
    return next((each["Value"] for each in attributes if each["Key"] == key), default)


def _is_protected(load_balancer: str) -> bool:
    return _attribute(load_balancer, "deletion_protection.enabled", "false") == "true"


def _port_name(arn: str) -> str:
    return LOAD_BALANCER_PORTS + arn.rpartition(":")[2]
