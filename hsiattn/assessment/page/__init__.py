"""The accuracy report as one HTML file that needs no network: tables, charts, and a viewer of map and reference.

Text and tables stand in Jinja templates, looks in style sheets, behaviour in scripts, all in the folder `templates`;
`rendering` puts them together. The page is whole without JavaScript. With it, map and reference lie under one divider,
classes switch on and off, cells of the confusion matrix light up their pixels, and tables sort.
"""

from hsiattn.assessment.page.rendering import render_page

__all__ = ["render_page"]
