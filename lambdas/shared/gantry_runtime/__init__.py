"""What the Lambda functions share; it is copied into each asset."""
