"""Before a deployment: is the change as expected, and will the account take it."""

from collections.abc import Sequence

from ops.checks.context import Deployment
from ops.checks.pre_deploy import account, changes, https, image, names, offers
from ops.checks.pre_deploy.quotas import QUOTAS
from ops.checks.results import Check, Line
from ops.checks.subscriptions import SUBSCRIPTIONS

PRE_DEPLOY: Sequence[Line[Deployment]] = (
    Line(
        "Plan is clean",
        [
            Check("settings", account.settings, asks_aws=False),
            Check("stacks", names.stacks),
            Check("differences", changes.difference),
        ],
    ),
    Line(
        "Image build succeeded",
        [Check("image build", image.engine, asks_aws=False), Check("image", image.pushed)],
    ),
    Line("Required secrets exist", [Check("secrets", changes.secrets), Check("keys", names.keys)]),
    Line("Security scans passed", [Check("security scans", changes.security, asks_aws=False)]),
    Line(
        "The account is set up",
        [
            Check("regions", account.regions),
            Check("bootstrap", account.bootstrap),
            Check("backup", account.backup_opt_in),
            Check("names", names.taken),
            SUBSCRIPTIONS,
        ],
    ),
    Line("The quotas suffice", QUOTAS),
    Line(
        "The region offers what is asked for",
        [
            Check("zones", offers.zones),
            Check("database version", offers.database_version),
            Check("cache version", offers.cache_version),
            Check("function runtimes", offers.runtimes, asks_aws=False),
            Check("canary runtime", offers.canary_runtime),
        ],
    ),
    Line(
        "HTTPS can be served",
        [Check("certificate", https.certificate), Check("hosted zone", https.hosted_zone)],
    ),
)
