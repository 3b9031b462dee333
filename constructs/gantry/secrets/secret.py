"""Secrets that the platform makes once and rotation takes over."""

import json
from collections.abc import Mapping

from aws_cdk import RemovalPolicy, Stack
from aws_cdk import aws_iam as iam
from aws_cdk import aws_kms as kms
from aws_cdk import aws_secretsmanager as secretsmanager
from constructs import Construct

from gantry.nag import HIPAA, NIST, acknowledge, shared

_ROTATED_ELSEWHERE = (
    "Its rotation is in the security layer: a schedule next to the secret would tie the layers into a "
    "cycle, and the rule looks within one stack."
)


class PlatformSecret(secretsmanager.Secret):
    """A JSON secret whose first version CloudFormation generates and never again.

    Any change of what is generated makes CloudFormation generate a new value, which would cut off every
    running task: nothing but the name, the fixed fields and the generated field's name goes into it, and none
    of them may ever change.

    Parameters
    ----------
    name
        The secret's name.
    key
        Encrypts it; imported by ARN when it belongs to another stack.
    generated_field
        The JSON field that holds the generated value.
    fields
        Fixed JSON fields next to it.
    length
        Characters of the generated value, letters and digits.
    removal_policy
        What becomes of it when its stack is deleted.
    unrotated
        Why it never rotates, when it does not.
    """

    def __init__(
        self,
        scope: Construct,
        construct_id: str,
        *,
        name: str,
        description: str,
        key: kms.IKey,
        generated_field: str,
        fields: Mapping[str, str],
        length: int,
        removal_policy: RemovalPolicy,
        unrotated: str | None = None,
    ) -> None:
        super().__init__(
            scope,
            construct_id,
            secret_name=name,
            description=description,
            encryption_key=key,
            generate_secret_string=secretsmanager.SecretStringGenerator(
                secret_string_template=json.dumps(dict(fields), sort_keys=True),
                generate_string_key=generated_field,
                exclude_punctuation=True,
                password_length=length,
            ),
            removal_policy=removal_policy,
        )
        acknowledge(
            self,
            unrotated or _ROTATED_ELSEWHERE,
            "AwsSolutions-SMG4",
            *shared("SecretsManagerRotationEnabled", (NIST, HIPAA)),
        )


def read_statements(
    scope: Construct, key: kms.IKey, *secrets: secretsmanager.ISecret, write: bool = False
) -> list[iam.PolicyStatement]:
    """Return what a role needs to read secrets, and their key through Secrets Manager alone.

    The key is granted explicitly because an imported key grants nothing by itself.

    Parameters
    ----------
    scope
        Any construct of the stack; its region names the service that may use the key.
    key
        The key that encrypts all of the secrets.
    secrets
        The secrets to read.
    write
        Whether new versions may be put, too.
    """
    arns = [secret.secret_full_arn or secret.secret_arn for secret in secrets]
    actions = ["secretsmanager:GetSecretValue"]
    key_actions = ["kms:Decrypt"]
    if write:
        actions.append("secretsmanager:PutSecretValue")
        key_actions.append("kms:GenerateDataKey")
    via = f"secretsmanager.{Stack.of(scope).region}.amazonaws.com"
    return [
        iam.PolicyStatement(actions=actions, resources=arns),
        iam.PolicyStatement(
            actions=key_actions,
            resources=[key.key_arn],
            # Secrets Manager binds each value to its secret.
            conditions={"StringEquals": {"kms:ViaService": via, "kms:EncryptionContext:SecretARN": arns}},
        ),
    ]
