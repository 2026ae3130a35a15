"""Recipes, and the training of networks by them."""

from __future__ import annotations

from hsiattn.training.recipes import Recipe, load_recipe, recipe_names

__all__ = ["Recipe", "load_recipe", "recipe_names"]
