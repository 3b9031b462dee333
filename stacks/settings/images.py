"""Names of container images: what a registry accepts, and which of them are Amazon ECR's.

The grammar is that of the distribution project's package ``reference``, narrowed to a tag, a SHA-256 or both:
an image that is named by neither would be another one tomorrow.
"""

import re
from typing import NamedTuple

_HOST = r"[A-Za-z0-9]([A-Za-z0-9-]*[A-Za-z0-9])?(\.[A-Za-z0-9]([A-Za-z0-9-]*[A-Za-z0-9])?)*(:[0-9]+)?"
_PART = r"[a-z0-9]+((\.|_|__|-+)[a-z0-9]+)*"
_TAG = r"[A-Za-z0-9_][A-Za-z0-9_.-]{0,127}"
_DIGEST = r"sha256:[0-9a-f]{64}"
IMAGE = rf"^({_HOST}/)?{_PART}(/{_PART})*(:{_TAG}|@{_DIGEST}|:{_TAG}@{_DIGEST})$"

# "Amazon ECR endpoints and quotas" in the AWS General Reference: IPv4, FIPS, dual-stack, and both.
_ECR = re.compile(
    r"(?P<account>[0-9]{12})\.dkr[.-]ecr(-fips)?\.(?P<region>[a-z0-9-]+)"
    r"\.(amazonaws\.(com(\.cn)?|eu)|on\.(aws|amazonwebservices\.(com\.cn|eu)))/(?P<name>[^:@]+)"
)
_VERSION = re.compile(r"(:(?P<tag>[^:@/]+))?(@sha256:(?P<digest>[0-9a-f]+))?$")


class EcrRepository(NamedTuple):
    """Repository of Amazon ECR, in whatever account and region."""

    account: str
    region: str
    name: str


def ecr_repository(image: str) -> EcrRepository | None:
    """Return the repository that an image is in; None when its registry is not Amazon ECR."""
    found = _ECR.match(image)
    return EcrRepository(found["account"], found["region"], found["name"]) if found else None


def version(image: str) -> str:
    """Return the tag of an image, else the beginning of its digest."""
    found = _VERSION.search(image)
    return (found["tag"] or (found["digest"] or "")[:12]) if found else ""


def parts(image: str) -> dict[str, str]:
    """Return what identifies an image in its repository, as ECR calls it: by its digest, else by its tag."""
    found = _VERSION.search(image)
    digest, tag = (found["digest"], found["tag"]) if found else (None, None)
    return {"imageDigest": f"sha256:{digest}"} if digest else {"imageTag": tag or "latest"}
