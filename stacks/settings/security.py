"""Settings of the rotations, of what is recorded in the account, and of who may deploy from outside."""

from collections.abc import Iterator
from typing import TYPE_CHECKING, Annotated

from pydantic import AfterValidator, Field, create_model

from contract.secrets import RotatingSecret
from stacks.settings.model import Problem, SettingsModel, Singleton
from stacks.settings.schedules import rotation_schedule

# "Schedule expressions in Secrets Manager rotation": at full hours, in every year.
_CRON = r"^cron\(0 ([01]?\d|2[0-3]|\*) .+ \*\)$"
_Schedule = Annotated[str, AfterValidator(rotation_schedule)]


class _Rotation(SettingsModel):
    """When secrets rotate, in UTC; staggered, so that one deployment follows another."""

    session_lifetime_seconds: int = Field(
        604800, ge=1, description="How long a session lives unused; its key is honoured as long."
    )

    def schedule(self, secret: RotatingSecret) -> str:
        """Return when a secret rotates."""
        return str(getattr(self, _schedule_key(secret)))


def _schedule_key(secret: RotatingSecret) -> str:
    return f"{secret.replace('-', '_')}_schedule"


if TYPE_CHECKING:
    RotationSettings = _Rotation
else:
    RotationSettings = create_model(
        "RotationSettings",
        __base__=_Rotation,
        __doc__=_Rotation.__doc__,
        **{
            _schedule_key(secret): (
                _Schedule,
                Field(secret.facts.schedule, pattern=_CRON, description=secret.facts.schedule_description),
            )
            for secret in RotatingSecret
        },
    )


class GitHubSettings(SettingsModel):
    """Deployments from GitHub Actions without a stored credential."""

    provider: Singleton = Field(
        "off", description="The account's identity provider of GitHub; with it, a role that may deploy."
    )
    repository: str | None = Field(
        None,
        pattern=r"^[\w.-]+(@\d+)?/[\w.-]+(@\d+)?$",
        description="The one repository that may deploy, with its ids where its tokens carry them.",
        examples=["my-team/my-service", "my-team@123456/my-service@456789"],
    )
    branch: str | None = Field(
        None, pattern=r"^[\w./-]+$", description="The one branch that may deploy.", examples=["main"]
    )
    environment: str | None = Field(
        None,
        pattern=r"^[\w. -]+$",
        description="The one environment of the repository that may deploy, instead of a branch.",
        examples=["prod"],
    )

    def _problems(self) -> Iterator[Problem]:
        if self.provider == "off":
            for key in ("repository", "branch", "environment"):
                if getattr(self, key) is not None:
                    yield Problem(key, getattr(self, key), 'must go while provider = "off"')
            return
        if self.repository is None:
            yield Problem("repository", None, f'is needed by provider = "{self.provider}"')
        if (self.branch is None) == (self.environment is None):
            yield Problem("branch", self.branch, "or environment is needed, and not both")

    @property
    def subject(self) -> str:
        """Who may deploy, as a token names it."""
        place = f"environment:{self.environment}" if self.environment else f"ref:refs/heads/{self.branch}"
        return f"repo:{self.repository}:{place}"


class SecuritySettings(SettingsModel):
    """What is recorded and watched of the account's activity."""

    trail: Singleton = Field("create", description="Record of the API calls of all regions.")
    access_analyzer: Singleton = Field(
        "create", description="Watch over what can be reached from outside the account, one a region."
    )
    guardduty: Singleton = Field("off", description="Detection of threats, one a region.")
    guardduty_severity: float = Field(
        7, ge=1, le=10, description="Least severity of a finding that raises an alert; high begins at 7."
    )
    global_events: Singleton = Field(
        "create",
        description="Sends what AWS reports in us-east-1 alone, such as root's log-ins, to another region.",
    )
    github: GitHubSettings = GitHubSettings()
