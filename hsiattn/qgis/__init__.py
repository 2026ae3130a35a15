"""hsiattn in QGIS: a plug-in that offers train, classify, assess and polygons as algorithms of Processing.

`plugin` is the plug-in's folder as QGIS takes it. QGIS has a Python of its own, so the plug-in does not import hsiattn:
it runs the command of the installation from which it was put into a profile.
"""
