"""How the built-in land-cover model is made: labelled spectra, what sensors see of them, training, and its trial.

- `libraries` reads measured spectra, `plants`, `soils`, `water` and `foreign` model others;
- `sensors` draws sensors, `views` draws what one of them sees: mixtures, light, air and noise;
- `training` fits the network, `trials` judges it on held-out sources, `rivals` on a scene beside what is usual;
- `python -m scripts.land_cover DATA` does all of it.
"""
