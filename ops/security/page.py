"""The assessment as one HTML page that needs no other file."""

from collections.abc import Iterator
from datetime import datetime
from html import escape
from pathlib import Path

from ops.security.assessment import Assessment, Outcome, Status, reasons
from ops.security.catalogue import PACKS, TITLES
from ops.security.report import NOTES

_CLASSES = {
    Status.FAILED: "failed",
    Status.EXEMPT: "exempt",
    Status.ACKNOWLEDGED: "acknowledged",
    Status.PASSED: "passed",
    Status.NOT_APPLICABLE: "idle",
}
_STYLE = Path(__file__).with_name("page.css")


def render(found: Assessment, *, at: datetime) -> str:
    """Return the page; `at` is when the assembly was synthesised."""
    title, style = f"Security report of {found.environment}", _STYLE.read_text(encoding="utf-8")
    parts = [
        "<!doctype html>", '<html lang="en">', "<head>", '<meta charset="utf-8">',
        '<meta name="viewport" content="width=device-width, initial-scale=1">',
        f"<title>{escape(title)}</title>", f"<style>{style}</style>", "</head>", "<body>",
        f"<h1>{escape(title)}</h1>",
        f'<p class="soft">Templates synthesised {at:%Y-%m-%d %H:%M} UTC and checked by cdk-nag.</p>',
        *_summary(found), *_stale(found), *(part for pack in PACKS for part in _pack(found, pack)),
        "<h2>What this report is not</h2>", *(f"<p>{escape(note)}</p>" for note in NOTES),
        "</body>", "</html>", "",
    ]  # fmt: skip
    return "\n".join(parts)


def _summary(found: Assessment) -> Iterator[str]:
    heads = "".join(f'<th class="number">{status.capitalize()}</th>' for status in Status)
    yield f"<table><thead><tr><th>Pack</th>{heads}</tr></thead><tbody>"
    for pack in PACKS:
        counts = found.counts(pack)
        cells = "".join(
            f'<td class="number {_CLASSES[status] if counts[status] else "idle"}">{counts[status]}</td>'
            for status in Status
        )
        yield f'<tr><td><a href="#{_anchor(pack)}">{escape(TITLES[pack])}</a></td>{cells}</tr>'
    yield "</tbody></table>"


def _stale(found: Assessment) -> Iterator[str]:
    if found.stale:
        yield "<h2>Acknowledged, but no longer found</h2><ul>"
        for each in found.stale:
            yield f"<li><code>{escape(each.id)}</code> on <code>{escape(each.construct)}</code></li>"
        yield "</ul>"


def _pack(found: Assessment, pack: str) -> Iterator[str]:
    yield f'<h2 id="{_anchor(pack)}">{escape(TITLES[pack])}</h2>'
    outcomes = found.of_pack(pack)
    for outcome in outcomes:
        if outcome.failed or outcome.acknowledged:
            yield from _outcome(outcome)
    for status in (Status.PASSED, Status.NOT_APPLICABLE):
        yield from _list([each for each in outcomes if each.status is status], status)
    yield from _controls(found, pack)


def _outcome(outcome: Outcome) -> Iterator[str]:
    rule, style = outcome.rule, _CLASSES[outcome.status]
    opened = " open" if outcome.status is Status.FAILED else ""
    yield f'<details{opened}><summary><span class="status {style}">{outcome.status.capitalize()}</span> '
    yield f"<code>{escape(rule.id)}</code> {escape(rule.title)}</summary><div>"
    yield f'<p class="soft">{escape(rule.explanation)}</p>'
    if rule.controls:
        yield f'<p class="soft">Controls: {escape(", ".join(rule.controls))}</p>'
    if outcome.failed:
        yield '<p class="failed">Not met by</p>'
        yield _resources([f"{each.resource} {each.id.removeprefix(rule.id)}" for each in outcome.failed])
    for reason, findings in reasons(outcome):
        yield f"<blockquote>{escape(reason)}</blockquote>"
        yield _resources([f"{each.resource} {each.id.removeprefix(rule.id)}" for each in findings])
    yield "</div></details>"


def _resources(names: list[str]) -> str:
    items = "".join(f"<li><code>{escape(name.rstrip())}</code></li>" for name in dict.fromkeys(names))
    return f"<ul>{items}</ul>"


def _list(outcomes: list[Outcome], status: Status) -> Iterator[str]:
    if not outcomes:
        return
    yield f'<details><summary><span class="status {_CLASSES[status]}">{status.capitalize()}</span> '
    yield f"{len(outcomes)} rules</summary><div><table><thead><tr><th>Rule</th><th>What it looks for</th>"
    yield '<th class="number">Resources</th></tr></thead><tbody>'
    for outcome in outcomes:
        row = f"<td><code>{escape(outcome.rule.id)}</code></td><td>{escape(outcome.rule.title)}</td>"
        yield f'<tr>{row}<td class="number">{outcome.resources}</td></tr>'
    yield "</tbody></table></div></details>"


def _controls(found: Assessment, pack: str) -> Iterator[str]:
    controls = found.controls(pack)
    if not controls:
        return
    yield f"<details><summary>By control: {len(controls)}</summary><div><table><tbody>"
    for control, status in controls.items():
        style = _CLASSES[status]
        yield f'<tr><td>{escape(control)}</td><td class="status {style}">{status.capitalize()}</td></tr>'
    yield "</tbody></table></div></details>"


def _anchor(pack: str) -> str:
    return pack.lower().replace(".", "-")
