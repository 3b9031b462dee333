"""The operator's commands on the platform itself: nothing in its templates is strange to them."""

import re
from decimal import Decimal

from ops.cost import prices
from ops.cost.estimate import Estimate, estimate
from ops.cost.workload import Workload
from tests.infrastructure.synthesis import Synthesised, Synthesiser
from tools import diagram

TABLE = prices.load()


def cost(platform: Synthesised) -> Estimate:
    return estimate(platform.assembly, loads=[Workload(Decimal(50))], table=TABLE)


def test_every_type_is_charged_free_or_known_to_have_no_known_price(platform: Synthesised) -> None:
    strange = {entry.type for entry in cost(platform).not_priced if "no table" in entry.why}
    assert strange == set(), "say in ops/cost what these cost, or in prices.toml why they do not"


def test_load_costs_more_than_idling_in_every_environment(platform: Synthesised) -> None:
    idle, loaded = cost(platform).total
    assert 0 < idle < loaded


def test_prod_costs_more_than_dev(synthesise: Synthesiser) -> None:
    prod, dev = cost(synthesise("prod")), cost(synthesise("dev"))
    assert prod.total[0] > dev.total[0]
    assert prod.layers["network"][0] > dev.layers["network"][0]


def test_setting_moves_only_its_own_layer(synthesise: Synthesiser) -> None:
    many, one = cost(synthesise("prod")), cost(synthesise("prod", {"network.nat_gateways": 1}))
    assert {layer for layer, costs in many.layers.items() if costs[0] != one.layers[layer][0]} == {"network"}
    two_gateways_and_their_addresses = 2 * 730 * (Decimal("0.045") + Decimal("0.005"))
    alarm_on_their_metrics = 2 * Decimal("0.10")
    assert many.total[0] - one.total[0] == two_gateways_and_their_addresses + alarm_on_their_metrics


def requests(platform: Synthesised) -> list[str]:
    return re.findall(r'==> \w+\[\(?"(.+?)"', diagram.of(platform.assembly))


def test_diagram_shows_every_layer_and_the_way_of_a_request(platform: Synthesised) -> None:
    drawn = diagram.of(platform.assembly)
    for stack in platform.assembly.stacks:
        assert re.search(rf'^  {stack.id}\["<b>{stack.id}</b>: .+?<br>\w', drawn, re.MULTILINE), stack.id
    assert requests(platform) == [
        "ElasticLoadBalancingV2 LoadBalancer", "ECS Service", "RDS DBCluster", "ElastiCache ServerlessCache",
    ]  # fmt: skip


def test_diagram_in_the_documentation_is_up_to_date(prod: Synthesised) -> None:
    current = diagram.PAGE.read_text() == diagram.inserted(diagram.of(prod.assembly), diagram.PAGE)
    assert current, "run `./gantry diagram --update` and commit docs/architecture.md"


def test_diagram_shows_layers_after_all_that_they_use(platform: Synthesised) -> None:
    names = [stack.id for stack in platform.assembly.stacks]
    uses = re.findall(r"(\w+) --> (\w+)", diagram.of(platform.assembly))
    assert uses
    assert all(names.index(producer) < names.index(consumer) for producer, consumer in uses)


def test_diagram_and_cost_know_an_accelerator(synthesise: Synthesiser) -> None:
    accelerated = synthesise("prod", {"accelerator.mode": "create"})
    first, second, *_ = requests(accelerated)
    assert (first, second) == ("GlobalAccelerator Accelerator", "ElasticLoadBalancingV2 LoadBalancer")
    more = cost(accelerated).total[0] - cost(synthesise("prod")).total[0]
    assert more == 730 * Decimal("0.025")
