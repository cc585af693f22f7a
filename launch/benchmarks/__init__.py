"""Benchmarks: speed, memory, robustness and quality, as tables in Markdown and JSON.

Each module measures one subject and yields tables; `tables` lists them by name, `harness` times and
formats them, and `program` measures whole programs. Nothing here reads flags.
"""

__all__ = ("harness", "program", "tables")
