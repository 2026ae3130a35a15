"""`python -m hsiattn` is the command line."""

from hsiattn.cli.main import main

if __name__ == "__main__":
    main(prog_name="hsiattn")
