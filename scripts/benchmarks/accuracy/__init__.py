"""How accurate the recipes and their parts are on real scenes and on composed ones."""
