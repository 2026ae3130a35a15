"""Experiments: recipes on scenes under protocols, over seeds, with records, comparisons and a report."""
