"""`./gantry rotate rotator`: a new password for the role that rotates the others'.

No steps and no new tasks: no task has this password, and the function that changes it ends what the old one
opened and tries it on every instance before it returns.
"""

import json
import time

from contract.secrets import RotatingSecret
from ops import leaked
from ops.aws import connect
from ops.console import err, out, phase
from ops.secret_function import call


def run(*, environment: str, has_leaked: bool, as_json: bool) -> None:
    """Change the password; if it leaked, replace also what its holder may have set.

    Raises
    ------
    CliError
        When the function fails, or a part of what follows a leak does.
    """
    connected = connect(environment)
    function = connected.outputs("data")["DatabaseRolesFunction"]
    began = time.monotonic()
    with phase("New password, old one refused"):
        openings = call(connected, function, {}, again="./gantry rotate rotator")
    for what, number in openings.items():
        err.print(f"  {number}  {what}", highlight=False)
    if has_leaked:
        err.print("Its holder may have given a role of the application another password: now that.")
        leaked.run(RotatingSecret.DATABASE, environment=environment, as_json=as_json)
    elif as_json:
        seconds = round(time.monotonic() - began, 1)
        out.print_json(
            json.dumps({"secret": "rotator", "stages": {"refused": seconds}, "openings": openings})
        )
