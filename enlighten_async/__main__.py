"""`python -m enlighten_async` is `enlighten`."""

from enlighten_async.cli import main

if __name__ == "__main__":
    main()
