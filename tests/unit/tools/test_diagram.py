"""The diagram of the platform."""

from pathlib import Path

import pytest

from ops.console import CliError
from tests.unit.ops.assemblies import assembly, logical_id, resource, stack
from tools import diagram

PAGE = """# Architecture

<!-- ./gantry diagram --update writes from here -->
old
<!-- to here -->

And so on.
"""


def test_replaces_the_diagram_of_the_page_and_nothing_else(tmp_path: Path) -> None:
    page = tmp_path / "page.md"
    page.write_text(PAGE)
    written = diagram.inserted("flowchart TB\n", page)
    assert written == PAGE.replace("old\n", "```mermaid\nflowchart TB\n```\n")
    page.write_text(written)
    assert diagram.inserted("flowchart TB\n", page) == written


@pytest.mark.parametrize("text", ["", "# Architecture\n", PAGE.replace("<!-- to here -->", "")])
def test_page_without_a_place_is_refused(tmp_path: Path, text: str) -> None:
    page = tmp_path / "page.md"
    page.write_text(text)
    with pytest.raises(CliError, match="has no place for the diagram"):
        diagram.inserted("flowchart TB\n", page)


def test_layers_come_with_their_constructs_and_whom_they_use(tmp_path: Path) -> None:
    key = resource("AWS::KMS::Key", "State/Keys/Data/Resource")
    exports = {"key": {"Ref": logical_id(key)}}
    cluster = resource(
        "AWS::RDS::DBCluster", "Data/Database/Cluster/Resource", KmsKeyId={"Fn::ImportValue": "key"}
    )
    unknown = resource("AWS::Quantum::FluxCapacitor", "Data/Flux/Resource", Uses={"Fn::ImportValue": "key"})
    drawn = diagram.of(
        assembly(
            tmp_path,
            State=stack(key, resource("AWS::IAM::Role", "State/Role/Resource"), exports=exports),
            Data=stack(cluster, unknown, description="Gantry: database", depends_on=("State",)),
        )
    ).splitlines()
    assert '  State["<b>State</b>: <br>Keys: KMS Key"]' in drawn
    assert (
        '  Data["<b>Data</b>: database<br>Database: RDS DBCluster<br>Flux: Quantum FluxCapacitor"]' in drawn
    )
    assert "  State --> Data" in drawn


def test_layer_that_is_used_through_another_has_no_arrow_of_its_own(tmp_path: Path) -> None:
    def used(layer: str, *names: str) -> dict[str, object]:
        return resource(
            "AWS::S3::Bucket", f"{layer}/Bucket/Resource", Uses=[{"Fn::ImportValue": name} for name in names]
        )

    def exported(layer: str) -> dict[str, object]:
        return {layer: {"Ref": f"{layer}BucketResource"}}

    drawn = diagram.of(
        assembly(
            tmp_path,
            State=stack(used("State"), exports=exported("State")),
            Data=stack(used("Data", "State"), exports=exported("Data"), depends_on=("State",)),
            Compute=stack(used("Compute", "State", "Data"), depends_on=("Data",)),
        )
    )
    assert [line.strip() for line in drawn.splitlines() if "-->" in line] == [
        "State --> Data",
        "Data --> Compute",
    ]
