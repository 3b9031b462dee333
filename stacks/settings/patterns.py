"""What names and places look like, in an environment's settings and in a pipeline's."""

NAME = r"^[a-z][a-z0-9]*(-[a-z0-9]+)*$"
# The shortest limit of what is made of a name and an environment: a load balancer's or a target group's, and
# that of a bucket when account and region follow.
NAME_LIMIT = 32
ACCOUNT = r"^\d{12}$"
REGION = r"^[a-z]{2}(-[a-z]+)+-\d$"
