"""What each resource type is charged for; a type in no module here is free, unknown or not priced."""

from ops.cost.charges import compute, data, delivery, network, observability, security
from ops.cost.usage import Charge

CHARGES: dict[str, Charge] = {
    **network.CHARGES,
    **compute.CHARGES,
    **data.CHARGES,
    **security.CHARGES,
    **observability.CHARGES,
    **delivery.CHARGES,
}
