"""Secrets Manager: values, versions and labels as AWS keeps them."""

import json
import time
from collections.abc import Callable
from typing import Any

from ministack.core.responses import new_uuid
from ministack.services import secretsmanager
from ministack.services.cloudformation import provisioners

from sandbox.plugin.patching import wrap
from sandbox.plugin.resource_types import Create, Delete, Properties, Provisioned, handlers
from sandbox.plugin.responses import Action, Response, answer, error, failed, message

Secret = dict[str, Any]

CURRENT = "AWSCURRENT"
PENDING = "AWSPENDING"
_VALUES = ("SecretString", "SecretBinary")


def install() -> None:
    """Correct what ministack does differently."""
    _generate_strings_as_declared()
    _refer_to_secrets_by_arn()
    _keep_versions_unique()
    _have_no_value_where_none_was_put()


def find(secret_id: str) -> Secret | None:
    """Return the secret with that name or ARN, None when there is none or it is scheduled for deletion."""
    _, secret = secretsmanager._resolve(secret_id)
    return None if secret is None or secret.get("DeletedDate") else secret


def version_with(secret: Secret, label: str) -> str | None:
    """Return the id of the version that carries a staging label."""
    version: str | None = secretsmanager._find_stage_version(secret, label)[0]
    return version


def amend(response: Response, **members: object) -> Response:
    """Return a successful response with members added."""
    return response if failed(response) else answer(json.loads(response[2]) | members)


def _generate_strings_as_declared() -> None:
    # ministack heeds only the length and ExcludeCharacters, and not with a source of randomness for secrets.
    # https://docs.aws.amazon.com/AWSCloudFormation/latest/TemplateReference/aws-properties-secretsmanager-secret-generatesecretstring.html
    @wrap(provisioners, "_sm_secret_string")
    def secret_string(original: Callable[[Properties], str], props: Properties) -> str:
        rules = props.get("GenerateSecretString")
        if not rules or props.get("SecretString"):
            return original(props)
        response = secretsmanager._get_random_password(rules)
        if failed(response):
            raise ValueError(f"AWS::SecretsManager::Secret: {message(response)}")
        password: str = json.loads(response[2])["RandomPassword"]
        if "SecretStringTemplate" not in rules:
            return password
        return json.dumps(json.loads(rules["SecretStringTemplate"]) | {rules["GenerateStringKey"]: password})


def _refer_to_secrets_by_arn() -> None:
    # ministack's Ref is the name, by which its handlers find the secret.
    # https://docs.aws.amazon.com/AWSCloudFormation/latest/TemplateReference/aws-resource-secretsmanager-secret.html
    entry = handlers("AWS::SecretsManager::Secret")

    def with_arn(provisioned: Provisioned) -> Provisioned:
        attributes = provisioned[1]
        return attributes["Arn"], attributes

    def name_of(arn: str) -> str:
        return arn.partition(":secret:")[2][: -len("-XXXXXX")]

    @wrap(entry, "create")
    def create(original: Create, logical_id: str, props: Properties, stack_name: str) -> Provisioned:
        return with_arn(original(logical_id, props, stack_name))

    @wrap(entry, "update")
    def update(
        original: Callable[..., Provisioned],
        physical_id: str,
        old_props: Properties,
        new_props: Properties,
        *rest: object,
    ) -> Provisioned:
        return with_arn(original(name_of(physical_id), old_props, new_props, *rest))

    @wrap(entry, "delete")
    def delete(original: Delete, physical_id: str, props: Properties) -> None:
        original(name_of(physical_id), props)


def _keep_versions_unique() -> None:
    # A version's value never changes, and a label is on one version at a time; ministack overwrites and
    # copies them.
    # "ClientRequestToken" and "VersionStages" in https://docs.aws.amazon.com/secretsmanager/latest/apireference/API_PutSecretValue.html
    @wrap(secretsmanager, "_put_secret_value")
    def put_secret_value(original: Action, data: dict[str, Any]) -> Response:
        secret = find(data.get("SecretId", ""))
        if secret is None:
            return original(data)
        data = {"ClientRequestToken": new_uuid(), "VersionStages": [CURRENT]} | data
        token = data["ClientRequestToken"]
        existing = secret["Versions"].get(token)
        if existing and any(existing.get(key) is not None for key in _VALUES):
            if any(existing.get(key) != data.get(key) for key in _VALUES):
                return error(
                    "ResourceExistsException",
                    f"You can't use ClientRequestToken {token} because that value is already in use for a "
                    f"version of secret {secret['ARN']}.",
                )
            return answer(
                {"ARN": secret["ARN"], "Name": secret["Name"], "VersionId": token,
                 "VersionStages": list(existing["Stages"])}
            )  # fmt: skip
        for label in data["VersionStages"]:
            if label != CURRENT:
                secretsmanager._remove_stage_everywhere(secret, label)
        return original(data)


def _have_no_value_where_none_was_put() -> None:
    # A rotation begins with an empty version; ministack returns it without a value.
    # https://docs.aws.amazon.com/secretsmanager/latest/apireference/API_GetSecretValue.html
    @wrap(secretsmanager, "_get_secret_value")
    def get_secret_value(original: Action, data: dict[str, Any]) -> Response:
        response = original(data)
        if failed(response) or any(key in json.loads(response[2]) for key in _VALUES):
            return response
        which = data.get("VersionId") or data.get("VersionStage", CURRENT)
        return error(
            "ResourceNotFoundException", f"Secrets Manager can't find the specified secret value: {which}"
        )


def add_version(secret: Secret, token: str, *, label: str, value: Secret | None = None) -> None:
    """Add a version, empty or with the value of another one, unless it exists; move the label to it."""
    if token in secret["Versions"]:
        return
    secretsmanager._remove_stage_everywhere(secret, label)
    values = {key: (value or {}).get(key) for key in _VALUES}
    secret["Versions"][token] = {**values, "CreatedDate": int(time.time()), "Stages": [label]}


def drop_version(secret: Secret, token: str) -> None:
    """Remove a version."""
    secret["Versions"].pop(token, None)
