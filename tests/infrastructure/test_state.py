"""What outlives every other stack: keys, buckets, images, and who may touch them."""

import json
from typing import Any

import pytest

from ops.assembly import Resource
from tests.infrastructure.arns import Reader
from tests.infrastructure.synthesis import Synthesised, as_list

PURPOSES = {"Keys/Data": "data", "Keys/Secrets": "secrets", "Keys/Logs": "logs", "Keys/Messages": "messages"}
USERS = {
    "Keys/Data": set[str](),
    "Keys/Secrets": set[str](),
    "Keys/Logs": {"logs.{region}.amazonaws.com", "cloudtrail.amazonaws.com"},
    "Keys/Messages": {"cloudwatch.amazonaws.com", "events.amazonaws.com"},
}
# They notify of costs where those are watched.
COSTS = {"budgets.amazonaws.com", "costalerts.amazonaws.com"}


def state_keys(platform: Synthesised) -> dict[str, Resource]:
    keys = platform.of_type("AWS::KMS::Key")
    return {key.construct: key for key in keys if key.construct.startswith("Keys/")}


def test_every_purpose_has_a_key_of_its_own_that_rotates(platform: Synthesised) -> None:
    keys = state_keys(platform)
    assert set(keys) == set(PURPOSES)
    for key in platform.of_type("AWS::KMS::Key"):
        assert (key.get("EnableKeyRotation"), key.get("RotationPeriodInDays")) == (True, 365), key.path
    aliases = {
        target.construct: alias.get("AliasName")
        for alias in platform.of_type("AWS::KMS::Alias")
        for target in platform.assembly.referents(alias, alias.get("TargetKeyId"))
    }
    for construct, purpose in PURPOSES.items():
        assert aliases[construct] == f"alias/{platform.settings.prefix}/{purpose}"


@pytest.mark.parametrize("construct", USERS)
def test_services_that_may_use_a_key(platform: Synthesised, construct: str) -> None:
    principals = [each["Principal"] for each in state_keys(platform)[construct].get("KeyPolicy", "Statement")]
    services = {principal["Service"] for principal in principals if "Service" in principal}
    users = {user.format(region=platform.settings.region) for user in USERS[construct]}
    assert users <= services <= users | (COSTS if construct == "Keys/Messages" else set())


def test_deleted_key_can_be_had_back_for_a_month_where_data_is_kept(platform: Synthesised) -> None:
    for key in state_keys(platform).values():
        assert key.get("PendingWindowInDays") == (30 if platform.settings.keeps_data else 7)


def bucket(platform: Synthesised, name: str) -> Resource:
    return platform.only("AWS::S3::Bucket", path=name)


BUCKETS = ("DeliveryBucket", "TrailBucket", "AssemblyBucket")


@pytest.mark.parametrize("name", BUCKETS)
def test_buckets_are_private_and_keep_what_is_overwritten(platform: Synthesised, name: str) -> None:
    found = bucket(platform, name)
    assert set(found.get("PublicAccessBlockConfiguration").values()) == {True}
    assert found.get("VersioningConfiguration") == {"Status": "Enabled"}
    assert found.get("OwnershipControls", "Rules") == [{"ObjectOwnership": "BucketOwnerEnforced"}]


@pytest.mark.parametrize("name", BUCKETS)
def test_buckets_forget_in_time_what_was_overwritten_or_never_finished(
    platform: Synthesised, name: str
) -> None:
    (rule,) = bucket(platform, name).get("LifecycleConfiguration", "Rules")
    assert rule["Status"] == "Enabled"
    assert rule["NoncurrentVersionExpiration"]["NoncurrentDays"] <= 365
    assert rule["AbortIncompleteMultipartUpload"]["DaysAfterInitiation"] == 1


def test_records_expire_only_after_their_lock(platform: Synthesised) -> None:
    (rule,) = bucket(platform, "TrailBucket").get("LifecycleConfiguration", "Rules")
    assert rule["ExpirationInDays"] == platform.settings.state.log_retention_days + 1
    assert rule["NoncurrentVersionExpiration"] == {"NoncurrentDays": 1}


def writers(platform: Synthesised, name: str) -> dict[str, list[dict[str, Any]]]:
    """Return what a bucket's policy allows to services."""
    policy = platform.only("AWS::S3::BucketPolicy", path=f"{name}/Policy")
    allowed: dict[str, list[dict[str, Any]]] = {}
    for statement in policy.get("PolicyDocument", "Statement"):
        if statement["Effect"] == "Allow" and "Service" in statement["Principal"]:
            allowed.setdefault(statement["Principal"]["Service"], []).append(statement)
    return allowed


def test_services_that_may_deliver(platform: Synthesised) -> None:
    assert set(writers(platform, "DeliveryBucket")) == {
        "logdelivery.elasticloadbalancing.amazonaws.com",
        "logging.s3.amazonaws.com",
    }
    assert set(writers(platform, "TrailBucket")) == {"cloudtrail.amazonaws.com"}
    assert writers(platform, "AssemblyBucket") == {}


def test_no_one_of_the_account_is_named_but_what_empties_buckets_that_keep_nothing(
    platform: Synthesised,
) -> None:
    for policy in platform.of_type("AWS::S3::BucketPolicy"):
        named = {
            role.path
            for statement in policy.get("PolicyDocument", "Statement")
            if statement["Effect"] == "Allow"
            for role in platform.assembly.referents(policy, statement["Principal"])
        }
        emptying = {"Custom::S3AutoDeleteObjectsCustomResourceProvider/Role"}
        assert named == (set() if platform.settings.keeps_data else emptying), policy.path


def test_access_log_of_each_bucket_goes_under_its_own_prefix_and_no_other(platform: Synthesised) -> None:
    reader = Reader(platform.assembly)
    policy = platform.only("AWS::S3::BucketPolicy", path="DeliveryBucket/Policy")
    allowed = {
        reader.text(policy, each["Condition"]["ArnLike"]["aws:SourceArn"]): each
        for each in writers(platform, "DeliveryBucket")["logging.s3.amazonaws.com"]
    }
    logged = [bucket(platform, name) for name in ("TrailBucket", "AssemblyBucket")]
    assert set(allowed) == {f"arn:aws:s3:::{each.logical_id}" for each in logged}
    for each in logged:
        statement = allowed[f"arn:aws:s3:::{each.logical_id}"]
        assert as_list(statement["Action"]) == ["s3:PutObject"]
        assert statement["Condition"]["StringEquals"] == {"aws:SourceAccount": platform.settings.account}
        prefix = each.get("LoggingConfiguration", "LogFilePrefix")
        assert reader.text(policy, statement["Resource"]).endswith(f"/{prefix}*")


def test_tag_of_an_image_names_one_image_permanently(platform: Synthesised) -> None:
    repository = platform.only("AWS::ECR::Repository")
    assert repository.get("ImageTagMutability") == "IMMUTABLE"
    assert repository.get("ImageScanningConfiguration") == {"ScanOnPush": True}
    (key,) = platform.assembly.referents(repository, repository.get("EncryptionConfiguration", "KmsKey"))
    assert key.construct == "Keys/Data"


def test_no_image_with_a_tag_expires_since_ecr_does_not_know_what_runs(prod: Synthesised) -> None:
    original = prod.only("AWS::ECR::Repository").get("LifecyclePolicy", "LifecyclePolicyText")
    copies = prod.only("AWS::ECR::RepositoryCreationTemplate").get("LifecyclePolicy")
    for text in (original, copies):
        (rule,) = json.loads(text)["rules"]
        assert rule["selection"] == {
            "tagStatus": "untagged",
            "countType": "sinceImagePushed",
            "countUnit": "days",
            "countNumber": 14,
        }


def test_images_are_copied_to_the_other_region_into_repositories_like_their_own(prod: Synthesised) -> None:
    configuration = prod.only("AWS::ECR::ReplicationConfiguration").get("ReplicationConfiguration")
    (rule,) = configuration["Rules"]
    assert rule["Destinations"] == [{"Region": "us-west-2", "RegistryId": "333333333333"}]
    (filtered,) = rule["RepositoryFilters"]
    assert prod.only("AWS::ECR::Repository").get("RepositoryName").startswith(filtered["Filter"])
    template = prod.only("AWS::ECR::RepositoryCreationTemplate")
    assert template.stack == "Recovery"
    assert f"{template.get('Prefix')}/" == filtered["Filter"]
    assert template.get("AppliedFor") == ["REPLICATION"]
    assert template.get("ImageTagMutability") == "IMMUTABLE"
    assert json.loads(template.get("LifecyclePolicy"))["rules"]
