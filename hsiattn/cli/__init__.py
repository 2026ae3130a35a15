"""The command line: one file per subcommand, shared options in `options`, heavy imports inside the commands."""
