"""Command-line entry points, one thin `main` each."""
