"""Calls of command lines in this process."""


def call_of(main):
    """A function that calls `main` with words: exit code, standard output, standard error."""

    def call(capsys, *arguments):
        code: object
        try:
            code = main([str(a) for a in arguments])
        except SystemExit as ended:
            code = ended.code
        out, err = capsys.readouterr()
        return code, out, err

    return call
