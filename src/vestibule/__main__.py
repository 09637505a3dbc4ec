"""Where the process begins: `vestibule`, or `python -m vestibule`."""

import gc


def main() -> None:
    """Run the command line.

    What the imports make stays to the end. The garbage collector does not look for garbage in it
    meanwhile, nor ever after: it would hold up everybody for a tenth of a second each time.
    """
    gc.disable()
    from vestibule.cli import main as command_line  # noqa: PLC0415 - see above

    gc.freeze()
    gc.enable()
    command_line(prog_name="vestibule")


if __name__ == "__main__":
    main()
