"""`hsiattn qgis`: the plug-in of QGIS."""

from __future__ import annotations

from pathlib import Path

import click

from hsiattn.cli import options

profile = click.option(
    "--profile", metavar="DIR", help="Folder of the profile of QGIS; default: that of the default profile."
)


@click.group(short_help="Put the commands into QGIS, or take them out.")
@options.common
def qgis() -> None:
    """Offer train, classify, polygons and assess as algorithms of QGIS Processing.

    QGIS has a Python of its own: the plug-in does not load hsiattn into it, but runs this installation's command.

    \b
        hsiattn qgis install
        hsiattn qgis uninstall
    """


@qgis.command()
@profile
@options.overwrite
@options.common
def install(profile: str | None, overwrite: bool) -> None:
    """Copy the plug-in into a profile of QGIS 3.22 or newer.

    \b
        hsiattn qgis install
        hsiattn qgis install --profile ~/.local/share/QGIS/QGIS3/profiles/default --overwrite
    """
    from hsiattn.qgis.installation import PLUGIN, install_plugin

    folder = install_plugin(None if profile is None else Path(profile), overwrite=overwrite)
    options.show(f"plug-in: {folder}")
    options.say(f"tick hsiattn in QGIS under Plugins > Installed, or run: qgis_process plugins enable {PLUGIN}")


@qgis.command()
@profile
@options.common
def uninstall(profile: str | None) -> None:
    """Delete the plug-in from a profile of QGIS."""
    from hsiattn.qgis.installation import remove_plugin

    options.show(f"removed: {remove_plugin(None if profile is None else Path(profile))}")
