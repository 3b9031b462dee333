"""S3: buckets with their tags, which go with their stack only when they are empty, and what empties them.

The CDK's own function needs the AWS SDK for JavaScript, which only Lambda's Node.js runtimes have.
"""

from ministack.services import s3

from sandbox.plugin.patching import wrap
from sandbox.plugin.resource_types import Delete, Properties, Provisioned, follow_changes, handlers, register
from sandbox.plugin.responses import failed

_EMPTYING = "Custom::S3AutoDeleteObjects"
# The CDK puts it on the bucket: without it, its function leaves the objects alone.
_PERMISSION = ("aws-cdk:auto-delete-objects", "true")


def install() -> None:
    """Correct what ministack does differently, and teach CloudFormation the CDK's custom resource."""
    # ministack's CloudFormation keeps no tags of a bucket, and deletes one that is not empty.
    # https://docs.aws.amazon.com/AWSCloudFormation/latest/TemplateReference/aws-resource-s3-bucket.html
    # https://docs.aws.amazon.com/AmazonS3/latest/APIReference/API_DeleteBucket.html
    entry = handlers("AWS::S3::Bucket")

    def tagged(provisioned: Provisioned, props: Properties) -> Provisioned:
        s3._bucket_tags[provisioned[0]] = {tag["Key"]: tag["Value"] for tag in props.get("Tags", [])}
        return provisioned

    follow_changes(entry, tagged)

    @wrap(entry, "delete")
    def delete(original: Delete, physical_id: str, props: Properties) -> None:
        if failed(s3._delete_bucket(physical_id)) and physical_id in s3._buckets:
            raise ValueError(
                f"The bucket you tried to delete is not empty ({physical_id}). You must delete all versions "
                "in the bucket."
            )
        original(physical_id, props)

    register(_EMPTYING, create=_create, update=_update, delete=_delete)


def _create(logical_id: str, properties: Properties, stack_name: str) -> Provisioned:
    del logical_id, stack_name
    return properties["BucketName"], {}


def _update(
    physical_id: str, old: Properties, new: Properties, stack_name: str, logical_id: str | None
) -> Provisioned:
    del physical_id, old, stack_name, logical_id
    return new["BucketName"], {}


def _delete(physical_id: str, properties: Properties) -> None:
    del properties
    if _PERMISSION in s3._bucket_tags.get(physical_id, {}).items():
        _empty(physical_id)


def _empty(name: str) -> None:
    versions = [
        (key, version["version_id"])
        for (bucket, key), kept in s3._object_versions.items()
        for version in kept
        if bucket == name
    ]
    for key, version in versions:
        s3._delete_object(name, key, query_params={"versionId": version})
    for key in list(s3._buckets[name]["objects"]):
        s3._delete_object(name, key, query_params={"versionId": "null"})
