"""The command line: run, demo, check, audit, sample-config, schema, version.

Exit codes: 0 for success, 1 for failure, 2 for wrong usage or configuration.
"""

from __future__ import annotations

import sys
from pathlib import Path

import click

from bot import __version__

CONFIG = click.option(
    "--config",
    type=click.Path(path_type=Path),
    default=Path("gantry.yaml"),
    show_default=True,
    help="The configuration file.",
)


class Commands(click.Group):
    """The commands; some bring much along and are imported when they are asked for."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        """Their names, for help."""
        return sorted([*super().list_commands(ctx), "audit", "demo"])

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        """The command of a name."""
        if cmd_name == "demo":
            from bot.demo.command import demo

            return demo
        if cmd_name == "audit":
            from bot.audit_command import audit

            return audit
        return super().get_command(ctx, cmd_name)


@click.group(cls=Commands, context_settings={"help_option_names": ["-h", "--help"]})
def gantry() -> None:
    """Deploy, scale and talk to model servers from a Matrix room."""


@gantry.command()
@CONFIG
@click.option("--log-level", type=click.Choice(["debug", "info", "warning"]), default="info")
def run(config: Path, log_level: str) -> None:
    """Run the bot until it is told to stop (SIGTERM or Ctrl-C)."""
    from bot.running import run_until_stopped

    run_until_stopped(config, log_level)


@gantry.command()
@CONFIG
@click.option(
    "--new-recovery-key",
    is_flag=True,
    help="Give the account a new cross-signing identity, and show its recovery key once.",
)
def check(config: Path, new_recovery_key: bool) -> None:
    """Prove the configuration against the real homeserver and every target."""
    import asyncio

    from bot.check import check as prove

    sys.exit(asyncio.run(prove(config, new_recovery_key=new_recovery_key)))


@gantry.command("sample-config")
def sample_config() -> None:
    """Write a commented configuration to standard output."""
    from ops_config.sample import sample

    click.echo(sample(), nl=False)


@gantry.command()
def schema() -> None:
    """Write the configuration's JSON schema to standard output."""
    from ops_config.sample import schema as written

    click.echo(written(), nl=False)


@gantry.command()
def version() -> None:
    """Say which Gantry this is."""
    click.echo(f"gantry {__version__}")


def main() -> None:
    """The `gantry` command."""
    gantry(prog_name="gantry")


if __name__ == "__main__":
    main()
