"""Lambda functions in Python and custom resources."""
