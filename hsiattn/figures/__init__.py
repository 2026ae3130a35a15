"""Figures for papers and reports, drawn on the axes of matplotlib from plain data: records and arrays, never files."""
