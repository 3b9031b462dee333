"""The local load balancer and TLS proxies: they are between clients and the service's tasks."""
