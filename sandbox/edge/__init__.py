"""The local load balancer and TLS terminators: what stands between a client and the service's tasks."""
