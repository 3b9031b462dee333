"""The VPC and who may reach whom in it."""
