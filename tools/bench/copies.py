"""Synthesises prod several times in one app, as stages of it: ``python -m tools.bench.copies <how many>``."""

import sys

from aws_cdk import App, Stage

import app as gantry_app
from ops.paths import ROOT
from stacks.platform import Platform
from stacks.settings import load_settings


def main(count: int) -> None:
    """Make as many copies, checked by cdk-nag as always, and synthesise them."""
    app = App(context={"aws:cdk:disable-stack-trace": True})
    for number in range(count):
        build_dir = ROOT / ".gantry" / "build"
        Platform(Stage(app, f"Copy{number}"), settings=load_settings("prod"), build_dir=build_dir)
    gantry_app.check(app, gantry_app.packs_of(app))
    app.synth()


if __name__ == "__main__":
    main(int(sys.argv[1]))
