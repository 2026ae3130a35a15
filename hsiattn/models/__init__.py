"""Trained models: the model file, and the registry of those that are installed."""
