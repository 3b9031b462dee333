"""Names of images: those of the distribution project's grammar are taken, and taken apart."""

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from stacks.settings import SettingsError, load_settings
from stacks.settings.images import IMAGE, EcrRepository, ecr_repository, version

DIGEST = "sha256:" + "0a" * 32
PARTS = st.from_regex(r"[a-z0-9]+(?:(?:\.|_|__|-{1,3})[a-z0-9]+){0,2}", fullmatch=True)
NAMES = st.lists(PARTS, min_size=1, max_size=3).map("/".join)
HOSTS = st.sampled_from(["", "registry.io/", "localhost:5000/", "ghcr.io/", "10.0.0.1:443/", "Host-1.x/"])
TAGS = st.from_regex(r"[A-Za-z0-9_][A-Za-z0-9_.-]{0,127}", fullmatch=True)
REGIONS = st.sampled_from(["us-east-1", "eu-central-2", "ap-southeast-5"])
REGISTRIES = st.sampled_from(
    [
        "{}.dkr.ecr.{}.amazonaws.com",
        "{}.dkr.ecr-fips.{}.amazonaws.com",
        "{}.dkr-ecr.{}.on.aws",
        "{}.dkr-ecr-fips.{}.on.aws",
        "{}.dkr.ecr.{}.amazonaws.com.cn",
        "{}.dkr-ecr.{}.on.amazonwebservices.com.cn",
    ]
)


def accepted(image: str) -> bool:
    try:
        return load_settings("dev", overrides={"container_image": image}).container_image == image
    except SettingsError as error:
        assert f'container_image = "{image}" (from -c): must be text such as' in str(error)  # noqa: PT017
        return False


@given(host=HOSTS, name=NAMES, tag=TAGS)
def test_name_needs_tag_or_digest_or_both(host: str, name: str, tag: str) -> None:
    for suffix, shown in ((f":{tag}", tag), (f"@{DIGEST}", DIGEST[7:19]), (f":{tag}@{DIGEST}", tag)):
        assert re.fullmatch(IMAGE, f"{host}{name}{suffix}")
        assert version(f"{host}{name}{suffix}") == shown
    assert not re.fullmatch(IMAGE, f"{host}{name}")


@given(
    registry=REGISTRIES,
    account=st.from_regex(r"[0-9]{12}", fullmatch=True),
    region=REGIONS,
    name=NAMES,
    tag=TAGS,
)
def test_repository_of_ecr_is_known_by_every_name(
    registry: str, account: str, region: str, name: str, tag: str
) -> None:
    image = f"{registry.format(account, region)}/{name}:{tag}@{DIGEST}"
    assert ecr_repository(image) == EcrRepository(account, region, name)


@pytest.mark.parametrize(
    "image",
    ["public.ecr.aws/a/b:1", "a.dkr.ecr.b.amazonaws.com/c:1", "1.dkr.ecr.us-east-1.amazonaws.com/c:1"],
)
def test_other_registries_are_not_ecr(image: str) -> None:
    assert ecr_repository(image) is None


@pytest.mark.parametrize("image", ["repo:v2", f"repo@{DIGEST}", f"host:5000/team/app:1.2.3@{DIGEST}"])
def test_image_is_taken_as_it_is_written(image: str) -> None:
    assert accepted(image)


@pytest.mark.parametrize(
    "image",
    [
        "repo",
        "host:5000/app",
        "Repo:v1",
        "repo:" + "a" * 129,
        "repo:-v1",
        "repo@sha256:0a",
        f"repo@md5:{'0' * 32}",
        f"repo@{DIGEST}:v1",
        "team//app:1",
        "team/app_:1",
        "https://host/app:1",
        "repo:é",
        "repo: v1",
    ],
)
def test_bad_name_is_refused_in_one_message(image: str) -> None:
    assert not accepted(image)


SECRET = "arn:aws:secretsmanager:us-east-1:111111111111:secret:registry-AbCdEf"


@pytest.mark.parametrize(
    ("overrides", "problem"),
    [
        ({"ecs.registry_secret_arn": SECRET}, "must go while container_image is not set"),
        (
            {
                "ecs.registry_secret_arn": SECRET,
                "container_image": "111111111111.dkr-ecr.us-east-1.on.aws/app:1",
            },
            "ECR asks for permissions, not for credentials",
        ),
        (
            {
                "ecs.registry_secret_arn": SECRET.replace("us-east-1", "us-west-2"),
                "container_image": "ghcr.io/app:1",
            },
            "must be a secret of region us-east-1",
        ),
        (
            {"ecs.registry_secret_key_arn": "arn:aws:kms:us-east-1:111111111111:key/1-2"},
            "means nothing without registry_secret_arn",
        ),
    ],
)
def test_credentials_are_for_a_registry_that_asks_for_them(
    overrides: dict[str, object], problem: str
) -> None:
    with pytest.raises(SettingsError, match=problem):
        load_settings("dev", overrides=overrides)
