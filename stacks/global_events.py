"""What AWS reports in one region alone, told where the platform is."""

from constructs import Construct

from gantry.alert_rule import event_pattern
from gantry.event_forwarding import EventForwarding
from gantry.security_alerts import ROOT_EVENT_TYPES, ROOT_EVENTS
from stacks.layer import LayerStack
from stacks.settings import GLOBAL_REGION, Settings


class GlobalEventsStack(LayerStack):
    """Sends root's log-ins and calls of global services from us-east-1 to the platform's region."""

    def __init__(self, scope: Construct, *, settings: Settings) -> None:
        super().__init__(
            scope,
            "global",
            settings=settings,
            description="Gantry: events that AWS reports in us-east-1 alone",
            region=GLOBAL_REGION,
        )
        EventForwarding(
            self,
            "RootUsed",
            description="Tells the platform's region that the root user was used",
            pattern=event_pattern(detail_types=ROOT_EVENT_TYPES, detail=ROOT_EVENTS),
            region=settings.region,
        )
