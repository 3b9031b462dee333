"""Estimates: what is summed, what is listed instead, what is printed."""

import io
import json
from decimal import Decimal
from pathlib import Path

import pytest
from rich.console import Console

from ops.console import CliError
from ops.cost import prices, report
from ops.cost.estimate import Estimate, estimate
from ops.cost.workload import Workload, assuming
from tests.unit.ops.assemblies import assembly, resource, stack

KEYS = [resource("AWS::KMS::Key", f"State/Keys/{name}/Resource") for name in ("Data", "Logs")]
STRANGE = resource("AWS::Quantum::Computer", "State/Computer/Resource")
TESTS = resource("AWS::Backup::RestoreTestingPlan", "State/Tests/Resource")
ROLE = resource("AWS::IAM::Role", "State/Role/Resource")
FIREWALL = resource("AWS::WAFv2::WebACL", "Compute/Firewall/Resource", Rules=[])
TABLE = prices.load()


@pytest.fixture
def found(tmp_path: Path) -> Estimate:
    state = stack(*KEYS, STRANGE, TESTS, ROLE)
    compute = stack(FIREWALL, depends_on=("State",), region="eu-west-1")
    read = assembly(tmp_path, Compute=compute, State=state)
    return estimate(read, loads=[Workload(Decimal(10))], table=TABLE)


@pytest.fixture
def printed(monkeypatch: pytest.MonkeyPatch) -> io.StringIO:
    """All that is printed for a person or a program."""
    sink = io.StringIO()
    for name in ("out", "err"):
        monkeypatch.setattr(report, name, Console(file=sink, width=200))
    return sink


def test_costs_are_summed_by_layer_in_deployment_order(found: Estimate) -> None:
    # 26.28 million requests at 0.60 a million.
    assert list(found.layers) == ["state", "compute"]
    assert found.layers["state"] == (Decimal(2), Decimal(2))
    assert found.layers["compute"] == (Decimal(5), Decimal("20.768"))
    assert found.total == (Decimal(7), Decimal("22.768"))
    assert found.types["AWS::KMS::Key"] == (Decimal(2), Decimal(2))


def test_type_without_a_price_is_listed_never_silently_nothing(found: Estimate) -> None:
    assert [(entry.type, entry.why) for entry in found.not_priced] == [
        ("AWS::Quantum::Computer", "this type is in no table of Gantry's"),
        ("AWS::Backup::RestoreTestingPlan", TABLE.unknown["AWS::Backup::RestoreTestingPlan"]),
    ]


def test_free_types_are_listed(found: Estimate) -> None:
    assert found.free == {"AWS::IAM::Role": 1}


def test_person_reads_the_sums_what_is_missing_and_what_it_rests_on(
    found: Estimate, printed: io.StringIO
) -> None:
    report.print_tables(found, None, TABLE)
    text = printed.getvalue()
    assert "22.77" in text
    assert "2 × Key" in text
    assert "AWS::Quantum::Computer" in text
    assert f"collected on {TABLE.collected.isoformat()}" in text
    assert "Free tiers are ignored" in text
    assert "eu-west-1 has no price table: its stacks are priced as us-east-1." in text
    assert "response_kb = 10  KB that a response sends to the internet" in text


def test_comparison_shows_both_and_the_difference(
    found: Estimate, tmp_path: Path, printed: io.StringIO
) -> None:
    smaller = estimate(assembly(tmp_path, State=stack(KEYS[0])), loads=[Workload(Decimal(10))], table=TABLE)
    report.print_tables(found, smaller, TABLE)
    tables = printed.getvalue().split("total")[1:]
    assert len(tables) == 2
    assert all("+6.00" in each and "+21.77" in each for each in tables)


def test_tables_fit_a_narrow_terminal_and_nothing_is_cut_off(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    long = [
        resource("AWS::KMS::Key", f"Observability/{'Keys' * 5}/{'Data' * 5}/Resource"),
        resource("AWS::ApplicationAutoScaling::QuantumTarget", "Observability/Quantum/Resource"),
    ]
    loads = [Workload(Decimal(10)), Workload(Decimal(1000))]
    found = estimate(assembly(tmp_path, Observability=stack(*long, FIREWALL)), loads=loads, table=TABLE)
    for other in (None, found):
        sink = io.StringIO()
        for name in ("out", "err"):
            monkeypatch.setattr(report, name, Console(file=sink, width=80))
        report.print_tables(found, other, TABLE)
        text = sink.getvalue()
        assert "…" not in text
        assert max(map(len, text.splitlines())) <= 80
        assert "1,582.80" in text


def test_program_reads_exact_amounts_and_where_they_come_from(found: Estimate, printed: io.StringIO) -> None:
    report.print_json(found, found, TABLE)
    document = json.loads(printed.getvalue())
    assert document["estimate"]["total"] == {"idle": "7", "10/s": "22.768"}
    assert document["difference"] == {"idle": "0", "10/s": "0"}
    assert document["region"] == "us-east-1"
    line = document["estimate"]["lines"][-1]
    assert (line["resource"], line["costs"]["10/s"]) == ("Firewall", "15.768")
    assert line["page"] == "AWS WAF pricing, requests"
    assert line["source"]["as_of"]
    assert document["assumptions"]["response_kb"]["value"] == "10"


def test_assumption_can_be_replaced(tmp_path: Path) -> None:
    read = assembly(tmp_path, Data=stack(resource("AWS::S3::Bucket", "Data/Bucket")))
    loads = [Workload(Decimal(0), assuming(["bucket_gb=1000"]))]
    assert estimate(read, loads=loads, table=TABLE).total[1] == Decimal("23.000")


@pytest.mark.parametrize(
    ("word", "message"),
    [
        ("respons_kb=1", "There is no assumption respons_kb. There are: response_kb, "),
        ("response_kb=much", "response_kb = 'much' cannot be assumed: Input should be a valid decimal."),
        ("requests_a_vcpu=0", "requests_a_vcpu = '0' cannot be assumed: Input should be greater than 0."),
        ("response_kb", "response_kb = '' cannot be assumed"),
    ],
)
def test_assumption_that_cannot_be_used_is_refused(word: str, message: str) -> None:
    with pytest.raises(CliError) as raised:
        assuming([word])
    assert message in raised.value.message


def test_amount_that_rounds_to_nothing_is_not_shown_as_nothing() -> None:
    assert [report.money(Decimal(each)) for each in ("0", "0.001", "1234.5")] == [
        "0.00",
        "< 0.01",
        "1,234.50",
    ]
