"""`python -m tasks` is `doit`, but Ctrl-C and the like are answered from the first moment on."""

from tasks.core import ending

ending.install()

if __name__ == "__main__":
    from doit.__main__ import main

    main()
