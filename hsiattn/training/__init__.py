"""Recipes, and the fitting of networks by them.

A recipe names one training method: `pseudo_labels`, `early_stopping` or `closed_form`. Each is a module with a settings
class, whose `fit` fits a network of a scene. A further method is one such module and one entry in
`hsiattn.training.recipes.AnyTraining`; everything else, from the keys of a recipe file to the model file, follows. What
trains by gradient derives from `GradientTraining` and calls `hsiattn.training.fit.train_network`.

Recipes are read without torch, which takes seconds to load: modules of methods import it where they fit.
"""

from __future__ import annotations

from hsiattn.training.recipes import Recipe, load_recipe, recipe_names

__all__ = ["Recipe", "load_recipe", "recipe_names"]
