"""The record of deployments: what its table and its archive hold, and under which keys.

The table has two partitions. Entries are only added: the start and the outcome of a deployment are two
items. The lock is one item, which is written again and again and never deleted: its number must not start
over.
"""

PARTITION_KEY, SORT_KEY = "pk", "sk"
ENTRIES = "deployments"
LOCK = "lock"
ASSEMBLIES = "assemblies/"  # prefix of the archive's objects
ASSETS = "assets/"
