"""The databases of a cluster and the roles in it; the Lambda functions carry this, too."""

PORT = 5432
DATABASE = "app"
# A database of the platform alone, in which roles are administered and locked. Roles are the same in all
# databases, so that nothing privileged is done where the application may have put a function, a lock or a
# setting in the way.
ADMINISTRATION = "gantry"

# What the application makes belongs to the owner, who does not log in; the log-in roles take turns, from the
# first one on.
OWNER = "app_owner"
LOGIN_ROLES = ("app_a", "app_b")
ROTATOR = "gantry_rotator"
# The log of the function that rotates the database's secret says this; the rotator then gets a new password.
ROTATOR_REFUSED = f"{ROTATOR} is refused"
STATEMENT_TIMEOUT = "3s"  # of the log-in roles
