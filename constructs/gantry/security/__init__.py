"""Keys, log buckets, trust and alerts on security events."""
