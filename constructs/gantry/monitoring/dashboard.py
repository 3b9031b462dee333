"""The page that an operator keeps open."""

from collections.abc import Sequence
from dataclasses import dataclass, field

from aws_cdk import Duration
from aws_cdk import aws_cloudwatch as cloudwatch
from constructs import Construct

_WIDTH, _HEIGHT = 24, 6


@dataclass(frozen=True, kw_only=True)
class Graph:
    """A graph of a section; its width is its share of the row.

    Attributes
    ----------
    title
        What is shown, with its unit.
    left, right
        Metrics by axis.
    limits
        Values of the left axis at which something happens, by what it is.
    percent
        Whether the left axis shows shares of a whole.
    days
        How many days are shown of what moves slowly; None shows what the page shows.
    """

    title: str
    left: Sequence[cloudwatch.IMetric]
    right: Sequence[cloudwatch.IMetric] = ()
    limits: dict[str, float] = field(default_factory=dict)
    percent: bool = False
    days: int | None = None

    def widget(self, width: int) -> cloudwatch.IWidget:
        """Return the graph as a widget."""
        return cloudwatch.GraphWidget(
            title=self.title,
            left=list(self.left),
            right=list(self.right),
            left_annotations=[
                cloudwatch.HorizontalAnnotation(value=value, label=label, color=cloudwatch.Color.RED)
                for label, value in self.limits.items()
            ],
            left_y_axis=cloudwatch.YAxisProps(min=0, max=100 if self.percent else None, show_units=False),
            right_y_axis=cloudwatch.YAxisProps(min=0, show_units=False) if self.right else None,
            start=None if self.days is None else f"-P{self.days}D",
            width=width,
            height=_HEIGHT,
        )


@dataclass(frozen=True, kw_only=True)
class Text:
    """Words instead of a graph, in Markdown."""

    markdown: str

    def widget(self, width: int) -> cloudwatch.IWidget:
        """Return the words as a widget."""
        return cloudwatch.TextWidget(markdown=self.markdown, width=width, height=_HEIGHT)


@dataclass(frozen=True, kw_only=True)
class Section:
    """A titled part of the page; the graphs of a row share its width."""

    title: str
    rows: Sequence[Sequence[Graph | Text]]


@dataclass(frozen=True, kw_only=True)
class AlarmGroup:
    """Alarms that are shown together in the first row.

    Attributes
    ----------
    title
        What they are together.
    alarms
        The alarms.
    width
        How much of the row they take, in the 24 columns of the page.
    """

    title: str
    alarms: Sequence[cloudwatch.IAlarm]
    width: int


class ServiceDashboard(Construct):
    """One page for the service, in the order in which one looks when something is wrong.

    Parameters
    ----------
    name
        Name of the dashboard.
    alarms
        The first row.
    sections
        What follows.

    Attributes
    ----------
    dashboard
        The dashboard.
    """

    def __init__(
        self,
        scope: Construct,
        construct_id: str,
        *,
        name: str,
        alarms: Sequence[AlarmGroup],
        sections: Sequence[Section],
    ) -> None:
        super().__init__(scope, construct_id)
        self.dashboard = cloudwatch.Dashboard(
            self, "Dashboard", dashboard_name=name, default_interval=Duration.hours(3)
        )
        self.dashboard.add_widgets(
            *(
                cloudwatch.AlarmStatusWidget(
                    title=group.title, alarms=list(group.alarms), width=group.width, height=_HEIGHT
                )
                for group in alarms
            )
        )
        for section in sections:
            self._add(section)

    def _add(self, section: Section) -> None:
        self.dashboard.add_widgets(
            cloudwatch.TextWidget(
                markdown=f"## {section.title}",
                width=_WIDTH,
                height=1,
                background=cloudwatch.TextWidgetBackground.TRANSPARENT,
            )
        )
        for row in section.rows:
            self.dashboard.add_widgets(*(part.widget(_WIDTH // len(row)) for part in row))
