"""The archive of assemblies: what was deployed, under a key that is its hash.

An assembly is stored without the folders of its assets, which rarely change: each has an object of its own,
named by its hash, and the assembly's index names them. So the hash of the assembly covers all of it.
"""

import gzip
import hashlib
import io
import json
import tarfile
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING

from botocore.exceptions import ClientError

from contract.deployments import ASSEMBLIES, ASSETS
from ops.console import CliError

if TYPE_CHECKING:
    from types_boto3_s3 import S3Client

_INDEX = "archive.json"
_MISSING = frozenset({"404", "NoSuchKey", "NotFound"})
# What the CDK leaves in its output and no deployment reads.
_LEFT_OUT = frozenset({"cdk.out.lock", "read.lock"})


class Archive:
    """The archive of an environment.

    Parameters
    ----------
    client
        An S3 client.
    bucket
        Name of the bucket.
    """

    def __init__(self, client: "S3Client", bucket: str) -> None:
        self._client, self._bucket = client, bucket

    def store(self, assembly: Path) -> str:
        """Store an assembly and return its SHA-256; what is there already is not sent again."""
        assets = {}
        for path in _assets(assembly):
            packed = _packed({path.name: path})
            assets[path.name] = self._put(ASSETS, packed)
        files = {
            path.name: path
            for path in sorted(assembly.iterdir())
            if path.name not in assets and path.name not in _LEFT_OUT and not path.name.startswith("asset.")
        }
        return self._put(ASSEMBLIES, _packed(files, {_INDEX: assets}))

    def fetch(self, digest: str, folder: Path) -> Path:
        """Fetch an assembly into a folder, verify it before anything of it is used, and return the folder.

        Raises
        ------
        CliError
            When it is gone, or is not what was stored.
        """
        _unpack(self._get(ASSEMBLIES, digest), folder)
        index = folder / _INDEX
        assets: Mapping[str, str] = json.loads(index.read_text(encoding="utf-8"))
        index.unlink()
        for each in assets.values():
            _unpack(self._get(ASSETS, each), folder)
        return folder

    def templates(self, digest: str) -> dict[str, bytes]:
        """Return the files of an assembly but for its assets.

        Raises
        ------
        CliError
            When it is gone, or is not what was stored.
        """
        with _opened(self._get(ASSEMBLIES, digest)) as archive:
            files = ((each.name, archive.extractfile(each)) for each in archive)
            return {name: file.read() for name, file in files if file is not None}

    def _put(self, prefix: str, body: bytes) -> str:
        digest = hashlib.sha256(body).hexdigest()
        key = _key(prefix, digest)
        if not self._has(key):
            self._client.put_object(Bucket=self._bucket, Key=key, Body=body, ChecksumAlgorithm="SHA256")
        return digest

    def _has(self, key: str) -> bool:
        try:
            self._client.head_object(Bucket=self._bucket, Key=key)
        except ClientError as error:
            if error.response["Error"]["Code"] not in _MISSING:
                raise
            return False
        return True

    def _get(self, prefix: str, digest: str) -> bytes:
        key = _key(prefix, digest)
        try:
            body = self._client.get_object(Bucket=self._bucket, Key=key)["Body"].read()
        except ClientError as error:
            if error.response["Error"]["Code"] not in _MISSING:
                raise
            raise CliError(f"The archive has no {key} any more (bucket {self._bucket}).") from error
        if hashlib.sha256(body).hexdigest() != digest:
            raise CliError(
                f"{key} in the bucket {self._bucket} is not what was archived; nothing of it was used.",
                remedy="It was written over: CloudTrail says by whom. Its earlier versions are kept.",
            )
        return body


def _key(prefix: str, digest: str) -> str:
    return f"{prefix}{digest}.tar.gz"


def _assets(assembly: Path) -> Iterator[Path]:
    """Yield the files and folders that become objects in S3; images are kept by their repository."""
    names = set()
    for manifest in assembly.glob("*.assets.json"):
        for asset in json.loads(manifest.read_text(encoding="utf-8")).get("files", {}).values():
            path = asset["source"].get("path", "")
            if not path.endswith(".template.json"):
                names.add(path)
    yield from (assembly / name for name in sorted(names) if name)


def _packed(files: Mapping[str, Path], documents: Mapping[str, object] | None = None) -> bytes:
    """Return a compressed archive that is the same for the same content: without times, owners and order."""
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w", format=tarfile.PAX_FORMAT) as archive:
        for name, path in files.items():
            for each in sorted([path, *path.rglob("*")] if path.is_dir() else [path]):
                archive.add(each, str(Path(name) / each.relative_to(path)), recursive=False, filter=_plain)
        for name, document in (documents or {}).items():
            body = json.dumps(document, sort_keys=True).encode()
            info = tarfile.TarInfo(name)
            info.size = len(body)
            archive.addfile(info, io.BytesIO(body))
    return gzip.compress(buffer.getvalue(), compresslevel=3, mtime=0)


def _plain(info: tarfile.TarInfo) -> tarfile.TarInfo:
    info.mtime = info.uid = info.gid = 0
    info.uname = info.gname = ""
    info.mode = 0o755 if info.mode & 0o100 or info.isdir() else 0o644
    return info


def _opened(body: bytes) -> tarfile.TarFile:
    return tarfile.open(fileobj=io.BytesIO(body), mode="r:gz")


def _unpack(body: bytes, folder: Path) -> None:
    with _opened(body) as archive:
        archive.extractall(folder, filter="data")  # which refuses what leaves the folder
