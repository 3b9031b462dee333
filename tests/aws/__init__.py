"""Models of AWS services that answer real boto3 clients, so that botocore validates every call."""
