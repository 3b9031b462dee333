"""What botocore's errors say to an operator: what, why, and what to do."""

from botocore import exceptions
from botocore.exceptions import BotoCoreError, ClientError

from ops.console import CliError

_CREDENTIALS = "Sign in (`aws sso login`), or name a profile that has credentials with AWS_PROFILE."
_NETWORK = "Check the network, the proxy (HTTPS_PROXY) and the region."
# What botocore raises before AWS is asked, and what helps; the first that fits.
_REMEDIES: tuple[tuple[tuple[type[BotoCoreError], ...], str, str], ...] = (
    (
        (exceptions.ProfileNotFound,),
        "There is no such profile in this machine's AWS configuration",
        "Set AWS_PROFILE to one that ~/.aws/config or ~/.aws/credentials has.",
    ),
    (
        (exceptions.NoCredentialsError, exceptions.PartialCredentialsError),
        "There are no credentials for AWS",
        _CREDENTIALS,
    ),
    (
        (exceptions.SSOError, exceptions.TokenRetrievalError, exceptions.CredentialRetrievalError),
        "The credentials for AWS cannot be used",
        _CREDENTIALS,
    ),
    ((exceptions.HTTPClientError, exceptions.ConnectionError), "AWS cannot be reached", _NETWORK),
)
_THROTTLED = ("Throttling", "ThrottlingException", "ThrottledException", "RequestLimitExceeded",
              "TooManyRequestsException")  # fmt: skip
# Codes that AWS answers with, whatever the service.
_CODES = {
    **dict.fromkeys(
        ("ExpiredToken", "ExpiredTokenException", "RequestExpired"),
        ("The credentials for AWS have expired", _CREDENTIALS),
    ),
    **dict.fromkeys(
        ("InvalidClientTokenId", "UnrecognizedClientException", "InvalidAccessKeyId", "SignatureDoesNotMatch",
         "AuthFailure", "InvalidSignatureException", "IncompleteSignature", "MissingAuthenticationToken"),
        ("AWS does not accept the credentials", _CREDENTIALS),
    ),
    **dict.fromkeys(
        ("AccessDenied", "AccessDeniedException", "UnauthorizedOperation", "AccessDeniedFault"),
        ("AWS denies access", "Use credentials that may do this, of the account that the settings name."),
    ),
    **dict.fromkeys(_THROTTLED, ("AWS throttles requests", "Run again in a minute.")),
    # The last is what the sandbox answers for a service that it does not have.
    **dict.fromkeys(
        ("InvalidAction", "UnknownOperationException", "400"), ("This operation is not offered here", None)
    ),
}  # fmt: skip


def is_throttled(error: ClientError) -> bool:
    """Return whether AWS asks for fewer requests."""
    return error.response["Error"]["Code"] in _THROTTLED


def reason(error: Exception) -> str:
    """Return in a sentence why something could not be read.

    Raises
    ------
    Exception
        The error itself when it is a fault of Gantry's.
    """
    if isinstance(error, CliError):
        return error.message
    if isinstance(error, TimeoutError):
        return "AWS did not answer in time."
    if isinstance(error, BotoCoreError | ClientError):
        return explain(error).message
    raise error


def explain(error: BotoCoreError | ClientError) -> CliError:
    """Return an error of botocore's as one that the operator can act on."""
    if isinstance(error, ClientError):
        what, remedy = _CODES.get(error.response["Error"]["Code"], ("AWS refuses a request", None))
        return CliError(f"{what}: {error}", remedy=remedy)
    for kinds, what, remedy in _REMEDIES:
        if isinstance(error, kinds):
            return CliError(f"{what}: {error}", remedy=remedy)
    return CliError(f"AWS cannot be asked: {error}", remedy="Check the AWS configuration (AWS_* variables).")
