"""Aurora PostgreSQL: cluster, roles, proxy, backups and restore tests."""
