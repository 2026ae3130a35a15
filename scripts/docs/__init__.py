"""The documentation site: its pages, and what builds and checks it."""
