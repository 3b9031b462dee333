# ruff: noqa: N803 - the arguments are named as boto3 names them
"""What is archived comes back as it was, or not at all."""

import io
import json
import os
import tarfile
from pathlib import Path
from typing import Any

import pytest
from botocore.exceptions import ClientError

from ops.console import CliError
from ops.deployments.archive import Archive


class FakeBucket:
    """An S3 client of one bucket."""

    def __init__(self) -> None:
        self.objects: dict[str, bytes] = {}
        self.written: list[str] = []

    def head_object(self, *, Bucket: str, Key: str) -> None:
        del Bucket
        if Key not in self.objects:
            raise ClientError({"Error": {"Code": "404", "Message": "Not Found"}}, "HeadObject")

    def put_object(self, *, Bucket: str, Key: str, Body: bytes, **_: object) -> None:
        del Bucket
        self.objects[Key] = Body
        self.written.append(Key)

    def get_object(self, *, Bucket: str, Key: str) -> dict[str, Any]:
        del Bucket
        if Key not in self.objects:
            raise ClientError({"Error": {"Code": "NoSuchKey", "Message": "gone"}}, "GetObject")
        return {"Body": io.BytesIO(self.objects[Key])}


@pytest.fixture
def bucket() -> FakeBucket:
    return FakeBucket()


@pytest.fixture
def archive(bucket: FakeBucket) -> Archive:
    return Archive(bucket, "assemblies")  # type: ignore[arg-type]


@pytest.fixture
def assembly(tmp_path: Path) -> Path:
    folder = tmp_path / "cdk.out"
    (folder / "asset.abc" / "inner").mkdir(parents=True)
    (folder / "asset.abc" / "inner" / "handler.py").write_text("code")
    (folder / "asset.image").mkdir()  # the context of an image, which its repository keeps
    (folder / "asset.image" / "Dockerfile").write_text("FROM scratch")
    (folder / "State.template.json").write_text('{"Resources": {}}')
    (folder / "manifest.json").write_text("{}")
    files = {
        "abc": {"source": {"path": "asset.abc", "packaging": "zip"}},
        "template": {"source": {"path": "State.template.json", "packaging": "file"}},
    }
    (folder / "State.assets.json").write_text(json.dumps({"files": files}))
    return folder


def contents(folder: Path) -> dict[str, bytes]:
    return {str(f.relative_to(folder)): f.read_bytes() for f in folder.rglob("*") if f.is_file()}


def test_assembly_comes_back_as_it_was_but_for_images(
    archive: Archive, assembly: Path, tmp_path: Path
) -> None:
    fetched = archive.fetch(archive.store(assembly), tmp_path / "fetched")
    expected = contents(assembly)
    del expected["asset.image/Dockerfile"]
    assert contents(fetched) == expected


def test_same_assembly_has_the_same_key_and_is_sent_once(
    archive: Archive, bucket: FakeBucket, assembly: Path
) -> None:
    first = archive.store(assembly)
    written = list(bucket.written)
    for file in assembly.rglob("*"):
        os.utime(file, (1, 1))
    assert archive.store(assembly) == first
    assert bucket.written == written


def test_asset_that_did_not_change_is_not_sent_again(
    archive: Archive, bucket: FakeBucket, assembly: Path
) -> None:
    archive.store(assembly)
    (assembly / "State.template.json").write_text('{"Resources": {"A": {}}}')
    archive.store(assembly)
    assert [key.split("/")[0] for key in bucket.written] == ["assets", "assemblies", "assemblies"]


@pytest.mark.parametrize("prefix", ["assemblies/", "assets/"])
def test_object_that_was_written_over_is_not_used(
    archive: Archive, bucket: FakeBucket, assembly: Path, tmp_path: Path, prefix: str
) -> None:
    digest = archive.store(assembly)
    (key,) = (key for key in bucket.objects if key.startswith(prefix))
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w:gz"):
        pass
    bucket.objects[key] = buffer.getvalue()
    with pytest.raises(CliError, match="is not what was archived"):
        archive.fetch(digest, tmp_path / "fetched")


def test_object_that_is_gone_is_named(
    archive: Archive, bucket: FakeBucket, assembly: Path, tmp_path: Path
) -> None:
    digest = archive.store(assembly)
    bucket.objects.clear()
    with pytest.raises(CliError, match=f"has no assemblies/{digest}.tar.gz any more"):
        archive.fetch(digest, tmp_path / "fetched")
